/** Self-signed certificates of any name, in files that a test may change. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOrThrow } from '../../docker/local/process.ts';

export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** Puts another certificate with its key into the same files. */
  replaceBy(name: string): Promise<void>;
  /** Spoils the key file. */
  replaceKey(content: Buffer): Promise<void>;
  remove(): Promise<void>;
}

/** @returns the files of a new certificate of that name */
export async function testCertificate(name: string): Promise<TestCertificate> {
  const dir = await mkdtemp(join(tmpdir(), 'outrigger-certificate-'));
  const certFile = join(dir, 'cert.pem');
  const keyFile = join(dir, 'key.pem');
  const replaceBy = async (commonName: string): Promise<void> => {
    const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1';
    const args = `req ${request} -subj /CN=${commonName}`.split(' ');
    await runOrThrow('openssl', [...args, '-keyout', keyFile, '-out', certFile]);
  };
  await replaceBy(name);
  return {
    certFile,
    keyFile,
    replaceBy,
    replaceKey: async (content) => writeFile(keyFile, content),
    remove: async () => rm(dir, { recursive: true }),
  };
}
