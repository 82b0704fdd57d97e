import type { HostInfo, PreflightReport } from '../../node/contract/host.ts';
import type { HostAnswer } from '../contract/answers.ts';

/** What was learned of one host before anything is changed. */
export type HostReport = {
  answer: HostAnswer;
  /** the address at which it answered */
  foundAt: string;
  info: HostInfo;
  /** absent: it could not measure */
  report: PreflightReport | undefined;
  /** positive: its clock is ahead of the first host's */
  clockSkewMs: number;
};

/** A guest image on the installation medium. */
export type ImageSource = { name: string; file: string; format: 'raw' | 'qcow2' };
