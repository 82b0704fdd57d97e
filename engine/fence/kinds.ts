import type { FenceAgent } from '../../node/contract/fence.ts';
import type { FenceKind } from '../contract/fence.ts';

/** Agents in plain words; those that most people have come first, in this order. */
const known: Record<string, { label: string; common?: true }> = {
  fence_ipmilan: { label: 'IPMI (most servers)', common: true },
  fence_redfish: { label: 'Redfish (newer servers)', common: true },
  fence_ilo4: { label: 'HPE iLO 4 (IPMI)', common: true },
  fence_idrac: { label: 'Dell iDRAC (IPMI)', common: true },
  fence_apc: { label: 'APC power strip (SSH or telnet)', common: true },
  fence_apc_snmp: { label: 'APC or Tripp Lite power strip (SNMP)', common: true },
  fence_virsh: { label: 'Virtual machine on a libvirt server (virsh)', common: true },
  fence_cyberpower_ssh: { label: 'CyberPower power strip (SSH)' },
  fence_drac5: { label: 'Dell DRAC 5 or CMC (SSH or telnet)' },
  fence_eaton_snmp: { label: 'Eaton power strip (SNMP)' },
  fence_eaton_ssh: { label: 'Eaton ePDU G3 power strip (SSH)' },
  fence_ilo3: { label: 'HPE iLO 3 (IPMI)' },
  fence_ilo3_ssh: { label: 'HPE iLO 3 (SSH)' },
  fence_ilo4_ssh: { label: 'HPE iLO 4 (SSH)' },
  fence_ilo5: { label: 'HPE iLO 5 (IPMI)' },
  fence_ilo5_ssh: { label: 'HPE iLO 5 (SSH)' },
  fence_ilo_ssh: { label: 'HPE iLO (SSH)' },
  fence_imm: { label: 'Lenovo or IBM IMM (IPMI)' },
  fence_ipmilanplus: { label: 'IPMI 2.0 (lanplus)' },
  fence_raritan_px3: { label: 'Raritan PX2 or PX3 power strip' },
  fence_tripplite_snmp: { label: 'Tripp Lite power strip (SNMP)' },
};

export const labelOf = (agent: string): string => known[agent]?.label ?? agent;

const rank = (agent: string): number => {
  const at = Object.keys(known).indexOf(agent);
  return at === -1 ? Number.MAX_SAFE_INTEGER : at;
};

export const kindsOf = (agents: readonly FenceAgent[]): FenceKind[] =>
  agents
    .map((agent) => ({
      ...agent,
      label: known[agent.name]?.label ?? (agent.shortdesc.replace(/^Fence agent for /i, '') || agent.name),
      common: known[agent.name]?.common ?? false,
    }))
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
