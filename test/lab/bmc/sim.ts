import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How a BMC behaves. It is asked for at each call of the chassis script, save for the ones that the server itself shows. */
export const bmcModes = ['ok', 'dead', 'slow', 'lying', 'false-off', 'wrong-password'] as const;
export type BmcMode = (typeof bmcModes)[number];

export type BmcPlan = {
  /** below it are its files and its state */
  folder: string;
  name: string;
  address: string;
  port: number;
  username: string;
  password: string;
  /** shell commands; `get` succeeds when the machine has power */
  power: { get: string; on: string; off: string };
};

/** OpenIPMI's simulator of a management controller: real IPMI 1.5 and 2.0 (RMCP+) over UDP. */
export const simArgv = (plan: BmcPlan): [string, ...string[]] => [
  'ipmi_sim',
  '-n',
  '-c',
  join(plan.folder, 'lan.conf'),
  '-f',
  join(plan.folder, 'node.emu'),
  '-s',
  join(plan.folder, 'state'),
];

/** Without a GUID it offers IPMI 1.5 alone. */
const lanConf = (plan: BmcPlan, password: string): string => `name "${plan.name}"
set_working_mc 0x20
  startlan 1
    addr ${plan.address} ${plan.port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${join(plan.folder, 'chassis')}"
  user 2 true "${plan.username}" "${password}" admin 10 none md2 md5 straight
`;

const nodeEmu = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`;

/** Called with "get power", "set power 0|1", "set reset", "set boot ..." after the controller's address. */
const chassisScript = ({ folder, power }: BmcPlan): string => `#!/bin/sh
mode=$(cat '${folder}/mode')
case "$mode" in slow\\ *) sleep "\${mode#slow }" ;; esac
[ "$1" = 0x20 ] && shift
case "$*" in
  'get power')
    if [ "$mode" = false-off ] && [ -e '${folder}/claimed' ]; then echo power:0
    elif ${power.get}; then echo power:1; else echo power:0; fi ;;
  'set power 0')
    case "$mode" in
      lying) ;;
      false-off) : > '${folder}/claimed' ;;
      *) ${power.off} ;;
    esac ;;
  'set power 1') rm -f '${folder}/claimed'; ${power.on} ;;
  'set reset'*) ${power.off}; ${power.on} ;;
esac
`;

/** Writes what the simulator reads. `seconds` is how long a slow one takes for an answer. */
export async function writeBmc(plan: BmcPlan, mode: BmcMode, seconds: number): Promise<void> {
  await mkdir(join(plan.folder, 'state'), { recursive: true });
  const password = mode === 'wrong-password' ? `${plan.password}-other` : plan.password;
  await writeFile(join(plan.folder, 'lan.conf'), lanConf(plan, password));
  await writeFile(join(plan.folder, 'node.emu'), nodeEmu);
  await writeFile(join(plan.folder, 'mode'), mode === 'slow' ? `slow ${seconds}` : mode);
  await writeFile(join(plan.folder, 'chassis'), chassisScript(plan));
  await chmod(join(plan.folder, 'chassis'), 0o755);
}
