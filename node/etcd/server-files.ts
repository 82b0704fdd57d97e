import { access, chmod, chown, mkdir, readFile, rm } from 'node:fs/promises';
import { AppError } from '../contract/error.ts';
import { readIfThere, writeFileAtomic } from '../files/atomic.ts';
import type { EtcdFiles } from './server.ts';

/** `etcd:x:105:112::/var/lib/etcd/:/usr/sbin/nologin` */
export function userOf(passwd: string, name: string): { uid: number; gid: number } | undefined {
  const line = passwd.split('\n').find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return undefined;
  return { uid: Number(uid), gid: Number(gid) };
}

async function etcdUser(): Promise<{ uid: number; gid: number }> {
  const user = userOf(await readFile('/etc/passwd', 'utf8'), 'etcd');
  if (user !== undefined) return user;
  throw new AppError({
    code: 'etcd.not-installed',
    family: 'unavailable',
    message: 'This host has no user for etcd: etcd is not installed.',
    retry: 'other-host',
  });
}

export const systemEtcdFiles: EtcdFiles = {
  read: readIfThere,
  async write(path, content, { mode, forEtcd }) {
    await writeFileAtomic(path, content, { mode, ...(forEtcd ? { owner: await etcdUser() } : {}) });
  },
  async makeEtcdFolder(path) {
    const { uid, gid } = await etcdUser();
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
    await chown(path, uid, gid);
  },
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  removeTree: (path) => rm(path, { recursive: true, force: true }),
};
