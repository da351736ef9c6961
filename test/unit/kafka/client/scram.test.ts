import { describe, expect, test } from 'vitest';
import { finalMessage, firstMessage, verifyServer } from '../../../../kafka/client/scram.ts';

/** The exchange in section 3 of RFC 7677. */
const RFC = {
  credentials: { mechanism: 'SCRAM-SHA-256', username: 'user', password: 'pencil' },
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst:
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  final:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
    'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
} as const;

const refused = expect.objectContaining({ code: 'KAFKA_AUTHENTICATION_FAILED' });

describe('SCRAM', () => {
  test('says what the RFC says, and believes the server of the RFC', async () => {
    expect(firstMessage(RFC.credentials.username, RFC.nonce)).toBe(RFC.first);
    const proof = await finalMessage(RFC.credentials, RFC.nonce, RFC.serverFirst);
    expect(proof.message).toBe(RFC.final);
    expect(() => verifyServer(RFC.serverFinal, proof.serverSignature)).not.toThrow();
  });

  test('escapes what has a meaning in a name', () => {
    expect(firstMessage('a=b,c', 'n')).toBe('n,,n=a=3Db=2Cc,r=n');
  });

  test('does not believe a server that does not know the password', async () => {
    const proof = await finalMessage(RFC.credentials, RFC.nonce, RFC.serverFirst);
    const wrong = `v=${Buffer.alloc(32).toString('base64')}`;
    for (const final of [wrong, 'v=', 'e=other-error', '']) {
      expect(() => verifyServer(final, proof.serverSignature), final).toThrow(refused);
    }
  });

  test.each([
    ['another nonce', 'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['our nonce without its own part', `r=${RFC.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['no salt', `r=${RFC.nonce}x,i=4096`],
    ['too few iterations', `r=${RFC.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1`],
    ['iterations for hours', `r=${RFC.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000`],
    ['iterations that are no number', `r=${RFC.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=x`],
    ['an error', 'e=unknown-user'],
    ['nothing', ''],
  ])('refuses a server that sends %s', async (_, serverFirst) => {
    await expect(finalMessage(RFC.credentials, RFC.nonce, serverFirst)).rejects.toThrow(refused);
  });
});
