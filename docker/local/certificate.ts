/** A self-signed certificate for servers on 127.0.0.1, made once and kept in the cache. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, installOnce } from './cache.ts';
import { runOrThrow } from './process.ts';
import { ensureCommands } from './system-packages.ts';

export interface Certificate {
  /** PEM; clients that trust it trust the server. */
  readonly certFile: string;
  /** PEM, PKCS #8, not encrypted. */
  readonly keyFile: string;
  /** Both in one file, as Kafka wants them. */
  readonly keyAndCertFile: string;
}

/** @returns files of a certificate for localhost and 127.0.0.1 that is valid for ten years */
export async function localCertificate(): Promise<Certificate> {
  const dir = await installOnce(join(cacheDir(), 'tls'), async (unfinished) => {
    await ensureCommands('openssl');
    await mkdir(unfinished);
    const key = join(unfinished, 'key.pem');
    const cert = join(unfinished, 'cert.pem');
    const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650';
    const name = '-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1';
    const args = `req ${request} ${name}`.split(' ');
    await runOrThrow('openssl', [...args, '-keyout', key, '-out', cert]);
    const both = (await readFile(key, 'utf8')) + (await readFile(cert, 'utf8'));
    await writeFile(join(unfinished, 'key-and-cert.pem'), both);
  });
  return {
    certFile: join(dir, 'cert.pem'),
    keyFile: join(dir, 'key.pem'),
    keyAndCertFile: join(dir, 'key-and-cert.pem'),
  };
}
