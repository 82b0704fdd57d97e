import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { AnswersInput } from '../contract/answers.ts';
import { exampleAnswers } from './example.ts';
import { parseAnswers } from './parse.ts';

const test = suite('answers');
const good: AnswersInput = {
  ...exampleAnswers,
  admin: { name: 'admin', password: 'eleven blue herons' },
};

type Changes = Record<string, unknown>;

/** The good answers with values put at paths such as `hosts.1.name`; undefined removes. */
function changed(changes: Changes): string {
  const answers = JSON.parse(JSON.stringify(good));
  for (const [path, value] of Object.entries(changes)) {
    const parts = path.split('.');
    const last = parts.pop() ?? '';
    const parent = parts.reduce((at, part) => at[part], answers);
    if (value === undefined && Array.isArray(parent)) parent.splice(Number(last), 1);
    else if (value === undefined) delete parent[last];
    else parent[last] = value;
  }
  return JSON.stringify(answers);
}
const told = (text: string) =>
  parseAnswers(text).problems.map((problem) => `${problem.path} ${problem.code}`);

test('the example is right but for its password', () => {
  assert.equal(told(JSON.stringify(exampleAnswers)), ['admin.password admin.weak-password']);
});

test('defaults are filled in', () => {
  const { answers, problems } = parseAnswers(changed({}));
  assert.equal(problems, []);
  assert.is(answers?.engine.memoryMiB, 2048);
  assert.is(answers?.engine.hostName, 'engine');
  assert.equal(answers?.hosts[0]?.management, { addressing: { kind: 'dhcp' } });
  assert.is(answers?.hosts[1]?.pairingCode, 'AAAAAAA2');
  assert.is(answers?.images, 'all');
});

test('what is not JSON is told with its place', () => {
  const { answers, problems } = parseAnswers('{\n  "cluster": {,\n}');
  assert.is(answers, undefined);
  assert.is(problems.length, 1);
  assert.match(problems[0]?.reason ?? '', 'line 2, column 15');
});

test('all problems come at once, of the schema and of the sense', () => {
  assert.equal(
    told(
      changed({
        'cluster.name': '-',
        colour: 'blue',
        'admin.password': 'short',
        'hosts.1.pairingCode': 'nope',
        'hosts.2.name': 'host1',
        'engine.address': '192.168.1.255/24',
        'engine.gateway': undefined,
      }),
    ),
    [
      'cluster.name answers.invalid',
      'hosts[1].pairingCode answers.invalid',
      'colour answers.unknown-key',
      'admin.password admin.weak-password',
      'hosts[2].name hosts.same-name',
      'engine.address address.reserved',
    ],
  );
});

const fourth = { name: 'host4', find: { address: '192.168.1.14' }, pairingCode: 'AAAAAAA4' };
const fixed = (address: string) => ({ addressing: { kind: 'static', address } });
const onAll = (path: string, code: string) => [0, 1, 2].map((index) => `hosts[${index}].${path} ${code}`);
const twice = [{ serial: 'A' }, { serial: 'A' }];

const cases: [string, Changes, string[]][] = [
  ['a missing section', { engine: undefined }, ['engine answers.missing']],
  ['a key deep inside', { 'hosts.0.storage': { nick: 'x' } }, ['hosts[0].storage.nick answers.unknown-key']],
  ['no password', { 'admin.password': undefined }, ['admin.password admin.no-password']],
  [
    'two passwords',
    { 'admin.passwordHash': 'scrypt$1$1$1$aa$bb' },
    ['admin.passwordHash admin.two-passwords'],
  ],
  ['a common password', { 'admin.password': 'Password12' }, ['admin.password admin.weak-password']],
  [
    'the name as password',
    { 'cluster.name': 'frankfurt', 'admin.password': 'Frankfurt1!' },
    ['admin.password admin.weak-password'],
  ],
  [
    'nobody is first',
    { 'hosts.0.find': { address: '192.168.1.11' }, 'hosts.0.pairingCode': 'AAAAAAA1' },
    ['hosts hosts.no-first'],
  ],
  ['two are first', { 'hosts.1.find': 'this', 'hosts.1.pairingCode': undefined }, ['hosts hosts.no-first']],
  ['the same host twice', { 'hosts.2.find': { address: '192.168.1.12' } }, ['hosts[2].find hosts.same-host']],
  ['the same code twice', { 'hosts.2.pairingCode': 'aaaa aaa2' }, ['hosts[2].pairingCode hosts.same-code']],
  ['no code', { 'hosts.2.pairingCode': undefined }, ['hosts[2].pairingCode hosts.no-code']],
  [
    'a code for the first',
    { 'hosts.0.pairingCode': 'AAAAAAA9' },
    ['hosts[0].pairingCode hosts.needless-code'],
  ],
  ['two hosts', { 'hosts.2': undefined }, ['hosts hosts.two-without-witness']],
  ['two hosts and a witness', { 'hosts.2.role': 'arbiter' }, []],
  ['three hosts and a witness', { 'hosts.3': { ...fourth, role: 'arbiter' } }, ['hosts hosts.arbiter-count']],
  ['four hosts', { 'hosts.3': fourth }, ['hosts hosts.without-copies']],
  ['the first is the witness', { 'hosts.0.role': 'arbiter' }, ['hosts[0].role hosts.first-is-arbiter']],
  ['uneven disks', { 'hosts.1.disks': [{ serial: 'A' }, { serial: 'B' }] }, ['hosts hosts.uneven-disks']],
  [
    'a disk twice',
    { 'hosts.0.disks': twice, 'hosts.1.disks': twice, 'hosts.2.disks': twice },
    onAll('disks', 'hosts.same-disk'),
  ],
  ['erase what', { 'hosts.1.eraseData': true }, ['hosts[1].eraseData hosts.erase-what']],
  ['gateway elsewhere', { 'engine.gateway': '192.168.2.1' }, ['engine.gateway address.outside']],
  ['the gateway is the engine', { 'engine.gateway': '192.168.1.100' }, ['engine.gateway address.taken']],
  [
    'a loopback address',
    { 'engine.address': '127.0.0.1/8', 'engine.gateway': undefined },
    ['engine.address address.special'],
  ],
  [
    'overlapping networks',
    { 'networks.storage.cidr': '192.168.0.0/16' },
    ['networks.storage.cidr networks.overlap'],
  ],
  [
    'both networks on one card',
    { 'networks.storage.nic': 'eno1' },
    ['networks.storage.nic networks.same-nic'],
  ],
  ['both networks on one card, one tagged', { 'networks.storage': { nic: 'eno1', vlan: 7 } }, []],
  [
    'a storage address outside',
    { 'hosts.1.storage': { address: '10.1.1.1' } },
    ['hosts[1].storage.address address.outside'],
  ],
  [
    'storage addresses twice',
    { 'hosts.1.storage': { address: '172.29.77.50' }, 'hosts.2.storage': { address: '172.29.77.50' } },
    ['hosts[2].storage.address address.taken'],
  ],
  [
    'no room for storage',
    { 'networks.storage.cidr': '172.29.77.0/29' },
    onAll('storage.address', 'storage.no-room'),
  ],
  [
    'a shared network with changing addresses',
    { 'networks.storage': undefined },
    onAll('management.addressing', 'networks.storage-needs-fixed'),
  ],
  [
    'a static host elsewhere',
    { 'hosts.0.management': fixed('192.168.7.11/24') },
    ['hosts[0].management.addressing.address networks.other-subnet'],
  ],
  [
    "a host with the engine's address",
    { 'hosts.0.management': fixed('192.168.1.100/24') },
    ['hosts[0].management.addressing.address address.taken'],
  ],
  ['the engine is called like a host', { 'engine.hostName': 'host2' }, ['engine.hostName engine.same-name']],
];

for (const [name, changes, expected] of cases)
  test(name, () => assert.equal(told(changed(changes)), expected));

test('every problem is a sentence with a remedy, and never shows the password', () => {
  const weak = { 'admin.password': 'herring' };
  for (const changes of [...cases.map((each) => each[1]), weak])
    for (const problem of parseAnswers(changed(changes)).problems) {
      assert.match(problem.reason, /^[^\n]{10,}\.$/, problem.reason);
      assert.match(problem.remedy, /^[^\n]{5,}\.$/, problem.remedy);
      assert.not.match(JSON.stringify(problem), 'herring');
      assert.not.match(JSON.stringify(problem), 'herons');
    }
});

test.run();
