import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import * as assert from 'uvu/assert';
import { makeTestCa, type TestCa, type TestCertificate } from '../../test/support/certificates.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { fenceDeviceIdSchema, sealedSecretsSchema } from '../contract/fence.ts';
import { openSealed, recipientsOf, sealFor } from './secrets.ts';

const test = suite('secrets of fence devices at rest');
const device = fenceDeviceIdSchema.parse(randomUUID());
const secrets = { password: 'pässwörd "with" \\ all = of it', community: 'private' };
let ca: TestCa;
let hosts: { id: string; own: TestCertificate }[] = [];

test.before(async () => {
  ca = await makeTestCa();
  hosts = await Promise.all(
    [1, 2, 3].map(async () => {
      const id = randomUUID();
      return { id, own: await ca.issue({ id, role: 'host' }) };
    }),
  );
});

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
};
const seal = () => {
  const certificates = hosts.slice(0, 2).map(({ own }) => own.certificate);
  // as etcd gives it back
  return sealedSecretsSchema.parse(
    JSON.parse(JSON.stringify(sealFor(recipientsOf(certificates, ca.certificate), device, secrets))),
  );
};
const ownOf = (at: number) => {
  const host = hosts[at];
  if (host === undefined) throw new Error('no such host');
  return { host: host.id, privateKeyPem: host.own.key };
};

test('each host opens its own copy, and what is stored does not show the secrets', () => {
  const sealed = seal();
  assert.equal(openSealed(ownOf(0), device, sealed), secrets);
  assert.equal(openSealed(ownOf(1), device, sealed), secrets);
  assert.equal(sealed.names, ['community', 'password']);
  assert.not.match(JSON.stringify(sealed), /sswö|private"/);
});

test('the same secrets sealed twice are not the same bytes', () => {
  const [a, b] = [seal(), seal()].map(({ copies }) => copies[ownOf(0).host]);
  assert.is.not(a?.sealed, b?.sealed);
  assert.is.not(a?.ephemeral, b?.ephemeral);
});

test('a host without a copy, or with another key than before, says that it needs sealing', async () => {
  assert.is(
    codeOf(() => openSealed(ownOf(2), device, seal())),
    'fence.needs-sealing',
  );
  const again = await ca.issue({ id: ownOf(0).host, role: 'host' });
  assert.is(
    codeOf(() => openSealed({ ...ownOf(0), privateKeyPem: again.key }, device, seal())),
    'fence.needs-sealing',
  );
});

test("another host's copy, a copy of another device and any changed byte do not open", () => {
  const sealed = seal();
  const own = sealed.copies[ownOf(0).host];
  if (own === undefined) throw new Error('no copy');
  const other = fenceDeviceIdSchema.parse(randomUUID());
  assert.is(
    codeOf(() => openSealed(ownOf(0), other, sealed)),
    'fence.secrets-damaged',
  );
  const asOther = { ...sealed, copies: { [ownOf(2).host]: own } };
  assert.is(
    codeOf(() => openSealed(ownOf(2), device, asOther)),
    'fence.needs-sealing',
  );
  for (const part of ['sealed', 'nonce', 'ephemeral'] as const) {
    const bytes = Buffer.from(own[part], 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const changed = { ...own, [part]: bytes.toString('base64') };
    const broken = { ...sealed, copies: { [ownOf(0).host]: changed } };
    assert.is(
      codeOf(() => openSealed(ownOf(0), device, broken)),
      'fence.secrets-damaged',
      part,
    );
  }
  for (const text of ['', 'AAAA']) {
    const broken = { ...sealed, copies: { [ownOf(0).host]: { ...own, sealed: text } } };
    assert.is(
      codeOf(() => openSealed(ownOf(0), device, broken)),
      'fence.secrets-damaged',
      text,
    );
  }
});

test('a copy names the key of the host, not its certificate, which may be renewed', () => {
  const own = sealFor(recipientsOf([hosts[0]?.own.certificate ?? ''], ca.certificate), device, secrets);
  const spki = new X509Certificate(hosts[0]?.own.certificate ?? '').publicKey.export({
    type: 'spki',
    format: 'der',
  });
  assert.is(own.copies[ownOf(0).host]?.key, createHash('sha256').update(spki).digest('hex'));
});

test('secrets are sealed for hosts of this cluster alone', async () => {
  const stranger = await (await makeTestCa('another')).issue({ role: 'host' });
  const engine = await ca.issue({ role: 'engine' });
  for (const pem of [stranger.certificate, engine.certificate, 'garbage', ''])
    assert.is(
      codeOf(() => recipientsOf([pem], ca.certificate)),
      'fence.not-a-host',
    );
});

test('a device without secrets needs no copy', () => {
  assert.equal(openSealed(ownOf(2), device, { names: [], copies: {} }), {});
});

test.run();
