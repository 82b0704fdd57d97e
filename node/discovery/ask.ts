import { request } from 'node:https';
import { TLSSocket } from 'node:tls';
import { AppError } from '../contract/error.ts';
import { type Announcement, announcementSchema } from '../contract/host.ts';
import { fingerprintOf } from '../identity/certificate.ts';
import type { Hint } from './found.ts';

/** Asks a host that mDNS told of for its own announcement; its certificate must be the one that both tell of. */
export type Ask = (hint: Hint) => Promise<Announcement>;

const askMs = 4_000;
const mostBytes = 64 * 1024;

export const askHost: Ask = (hint) =>
  new Promise((resolve, reject) => {
    const asked = request(
      {
        host: hint.address,
        port: hint.port,
        path: '/pair/v1/host',
        // Node would put an address with its card here (fe80::1%eno1), which is no valid header.
        headers: { host: 'host.invalid' },
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        agent: false,
        signal: AbortSignal.timeout(askMs),
      },
      (answer) => {
        const certificate =
          answer.socket instanceof TLSSocket ? answer.socket.getPeerX509Certificate() : undefined;
        const shown = certificate === undefined ? '' : fingerprintOf(certificate.raw);
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > mostBytes) asked.destroy(new Error('too long an answer'));
        });
        answer.on('error', reject);
        answer.on('end', () => {
          try {
            resolve(announcementOf(hint, shown, text));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    asked.on('error', reject);
    asked.end();
  });

function announcementOf(hint: Hint, shown: string, text: string): Announcement {
  const announcement = announcementSchema.parse(JSON.parse(text));
  const same =
    announcement.id === hint.id &&
    announcement.fingerprint === hint.fingerprint &&
    shown === hint.fingerprint;
  if (!same)
    throw new AppError({
      code: 'discovery.mismatch',
      family: 'conflict',
      message: 'The host that answers is not the one that was announced.',
    });
  return announcement;
}
