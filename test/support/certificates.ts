import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { newKeys, positiveSerial, privateKeyToPem } from '../../node/identity/certificate.ts';

const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;
const hour = 3_600_000;

export type TestCertificate = { key: string; certificate: string };
export type TestCa = {
  certificate: string;
  /** PEM; what the cluster keeps in its store */
  key: string;
  /** a certificate for a new key */
  issue(options: {
    id?: string;
    role: string;
    addresses?: string[];
    notAfter?: Date;
  }): Promise<TestCertificate>;
  /** a certificate for the key of a request */
  sign(csr: string, options: { id: string; role: string; addresses?: string[] }): Promise<string>;
};

/** A cluster's certificate authority for tests: what formation makes for real. */
export async function makeTestCa(name = 'test cluster'): Promise<TestCa> {
  const keys = await newKeys();
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    serialNumber: positiveSerial(),
    notBefore: new Date(Date.now() - hour),
    notAfter: new Date(Date.now() + 24 * hour),
    keys,
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });

  const certify = async (
    publicKey: CryptoKey | Pkcs10CertificateRequest,
    {
      id,
      role,
      addresses = [],
      notAfter,
    }: { id: string; role: string; addresses?: string[]; notAfter?: Date },
  ): Promise<string> => {
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${id}, OU=${role}`,
      issuer: ca.subject,
      serialNumber: positiveSerial(),
      notBefore: new Date(Date.now() - hour),
      notAfter: notAfter ?? new Date(Date.now() + 12 * hour),
      publicKey: publicKey instanceof Pkcs10CertificateRequest ? publicKey.publicKey : publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: signing,
      extensions: [
        new SubjectAlternativeNameExtension([
          { type: 'dns', value: id },
          ...addresses.map((value) => ({ type: 'ip' as const, value })),
        ]),
      ],
    });
    return new X509Certificate(certificate.rawData).toString('pem');
  };

  return {
    certificate: ca.toString('pem'),
    key: await privateKeyToPem(keys.privateKey),
    issue: async ({ id = randomUUID(), ...rest }) => {
      const own = await newKeys();
      return {
        key: await privateKeyToPem(own.privateKey),
        certificate: await certify(own.publicKey, { id, ...rest }),
      };
    },
    sign: async (csr, options) => {
      const request = new Pkcs10CertificateRequest(csr);
      if (!(await request.verify())) throw new Error('the request is not signed by its own key');
      return certify(request, options);
    },
  };
}
