import type { AnswersInput } from '../contract/answers.ts';

/** What `trefoil-installer example` prints: three hosts, the answers that most people need, to be filled in. */
export const exampleAnswers: AnswersInput = {
  cluster: { name: 'office' },
  admin: { name: 'admin', password: 'CHANGE: a sentence of several words' },
  hosts: [
    { name: 'host1', find: 'this' },
    { name: 'host2', find: { address: '192.168.1.12' }, pairingCode: 'AAAA-AAA2' },
    { name: 'host3', find: { address: '192.168.1.13' }, pairingCode: 'AAAA-AAA3' },
  ],
  networks: { management: { nic: 'eno1' }, storage: { nic: 'eno2', cidr: '172.29.77.0/24' } },
  engine: { address: '192.168.1.100/24', gateway: '192.168.1.1', names: ['trefoil.office.example'] },
  timeServers: [],
};
