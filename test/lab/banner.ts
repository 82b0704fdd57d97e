/** What a host shows on its console once its agent runs, see node/pairing/issue.ts. */
export type Banner = {
  host: string;
  address: string;
  pairingCode: string | undefined;
  cluster: string | undefined;
};

/** The last one on the screen counts: after five wrong tries, or a reboot, there is another code. */
export function lastBanner(console: string): Banner | undefined {
  const at = console.lastIndexOf('\nHost: ');
  if (at === -1) return undefined;
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \\t]+(.+?)[ \\t]*$`, 'm').exec(console.slice(at))?.[1];
  const [host, address] = [field('Host'), field('Address')];
  if (host === undefined || address === undefined) return undefined;
  return { host, address, pairingCode: field('Pairing code'), cluster: field('Cluster') };
}
