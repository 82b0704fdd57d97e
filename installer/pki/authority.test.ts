import { X509Certificate } from 'node:crypto';
import * as assert from 'uvu/assert';
import { hostIdSchema } from '../../node/contract/ids.ts';
import {
  certificateRequest,
  newKeys,
  selfSignedCertificate,
  subjectOf,
} from '../../node/identity/certificate.ts';
import { checkJoin } from '../../node/identity/model.ts';
import { suite } from '../../test/support/suite.ts';
import { issue, makeAuthority, sign } from './authority.ts';

const test = suite('authority');
const now = new Date();
const id = hostIdSchema.parse('00000000-0000-4000-8000-000000000001');

test('a host accepts the certificate that its request gets', async () => {
  const authority = await makeAuthority('Büro "1", O=x', now);
  const keys = await newKeys();
  const names = ['host1', '10.77.0.11', 'fe80::1'];
  const certificate = await sign(
    authority,
    await certificateRequest(id, keys),
    { id, role: 'host', names, days: 10 },
    now,
  );
  checkJoin(
    { id, selfSigned: await selfSignedCertificate(id, keys, now) },
    {
      clusterId: id,
      clusterName: 'x',
      hostName: 'host1',
      certificate,
      caCertificate: authority.certificate,
    },
    now,
  );
  const parsed = new X509Certificate(certificate);
  assert.equal(subjectOf(parsed), { id, role: 'host' });
  assert.match(parsed.subjectAltName ?? '', 'IP Address:10.77.0.11');
  assert.match(parsed.subjectAltName ?? '', 'DNS:host1');
});

test('a clock that is a day behind still finds it valid', async () => {
  const authority = await makeAuthority('x', now);
  const leaf = await issue(authority, { id: 'engine', role: 'engine', names: [], days: 1 }, now);
  const { validFromDate } = new X509Certificate(leaf.certificate);
  assert.ok(validFromDate.getTime() < now.getTime() - 86_400_000);
});

test('a request that is not signed by its own key is refused', async () => {
  const authority = await makeAuthority('x', now);
  const csr = await certificateRequest(id, await newKeys());
  const lines = csr.split('\n');
  const line = lines[3] ?? '';
  lines[3] = `${line.slice(0, 20)}${line[20] === 'A' ? 'B' : 'A'}${line.slice(21)}`;
  const failed = await sign(authority, lines.join('\n'), { id, role: 'host', names: [], days: 1 }, now).catch(
    (error) => error,
  );
  assert.is(failed.code, 'certificate.request-invalid');
});

test.run();
