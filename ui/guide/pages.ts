/**
 * The guide's pages in reading order, and their sections: headings of the same id are in each page's file (a test compares
 * them). `words`: what people may look for that the heading does not say.
 */
import { type GuidePage, guidePages, href } from '../lib/route.ts';

export type GuideSection = { id: string; title: string; words: string };
type GuideText = { title: string; sections: readonly GuideSection[] };

export const guide = {
  'first-vm': {
    title: 'Your first VM',
    sections: [
      { id: 'image', title: 'Something to start from', words: 'image upload qcow2 raw cloud template iso' },
      {
        id: 'create',
        title: 'Create it',
        words: 'new size cpu memory disk network password user data cloud-init',
      },
      { id: 'boot', title: 'See it boot', words: 'console serial log address' },
      { id: 'off', title: 'Turning it off', words: 'shut down force stop reboot hangs power' },
      {
        id: 'change',
        title: 'Changing and deleting it',
        words: 'edit rename resize cpu memory delete remove disk',
      },
    ],
  },
  console: {
    title: 'The console',
    sections: [
      { id: 'screen', title: 'Its screen', words: 'vnc keyboard mouse full screen window keys ctrl alt del' },
      { id: 'type', title: 'Passwords and long text', words: 'paste clipboard type layout' },
      { id: 'broken', title: 'When the screen goes away', words: 'disconnect black reconnect moving' },
      { id: 'serial', title: 'The serial log', words: 'text output boot kernel messages' },
    ],
  },
  'moving-a-vm': {
    title: 'Moving a VM',
    sections: [
      { id: 'when', title: 'When to do it', words: 'maintenance load balance' },
      { id: 'how', title: 'How', words: 'live migration migrate' },
      { id: 'what', title: 'What moves, and what does not', words: 'disk memory encrypted storage' },
      { id: 'failed', title: 'If it does not work out', words: 'cancel failed slow' },
    ],
  },
  'adding-a-host': {
    title: 'Adding a host',
    sections: [
      { id: 'server', title: 'On the server', words: 'join new node network cable' },
      { id: 'here', title: 'Here', words: 'pair code add' },
      { id: 'gets', title: 'What the cluster gets from it', words: 'capacity storage disks expand' },
      { id: 'code', title: 'Why a code?', words: 'security pairing certificate attacker' },
      { id: 'missing', title: 'It does not appear?', words: 'not found discovery scan multicast' },
    ],
  },
  'when-a-host-dies': {
    title: 'When a host dies',
    sections: [
      { id: 'first', title: 'In the first seconds', words: 'crash power failure outage pause stall' },
      {
        id: 'vms',
        title: 'The VMs that ran on it',
        words: 'unknown restart failover high availability ha fence device ipmi ilo idrac redfish',
      },
      { id: 'engine', title: 'If the engine was on it', words: 'page gone unreachable web interface' },
      { id: 'back', title: 'When it comes back', words: 'healing recover return' },
      { id: 'do', title: 'What you should do', words: 'help repair steps' },
    ],
  },
  'storage-health': {
    title: 'Is my storage healthy?',
    sections: [
      {
        id: 'states',
        title: 'What the states mean',
        words: 'healthy healing degraded offline split brain gluster',
      },
      { id: 'connected', title: '“Connected from”', words: 'brick mount reconnect' },
      { id: 'full', title: 'How full may it be?', words: 'space free disk full thin' },
    ],
  },
  'how-it-is-built': {
    title: 'How the cluster is built',
    sections: [
      { id: 'parts', title: 'The parts', words: 'engine host agent etcd gluster libvirt architecture' },
      {
        id: 'copies',
        title: 'How many hosts, how many copies',
        words: 'replica arbiter witness layout one two three',
      },
      { id: 'networks', title: 'The networks', words: 'management storage bridge mgmt address' },
      {
        id: 'forming',
        title: 'How it was formed',
        words: 'install formation answers trefoil-installer setup undo',
      },
      { id: 'safe', title: 'What keeps it safe', words: 'security tls certificates password session' },
    ],
  },
  'finding-your-way': {
    title: 'Finding your way',
    sections: [
      { id: 'home', title: 'Two questions first', words: 'home fine can i lose a host problems' },
      { id: 'jobs', title: 'Jobs', words: 'progress cancel time left failed undo stuck' },
      { id: 'events', title: 'Events', words: 'history log who did what warnings' },
      { id: 'keys', title: 'Keys', words: 'keyboard shortcut ctrl k search' },
      { id: 'scripts', title: 'Without this page', words: 'api command line cli openapi automation' },
    ],
  },
} as const satisfies Record<GuidePage, GuideText>;

/** Every section with its address, for the palette. */
export const guideSections: readonly (GuideSection & { page: string; href: string })[] = guidePages.flatMap(
  (page) =>
    guide[page].sections.map((section) => ({
      ...section,
      page: guide[page].title,
      href: `${href({ screen: 'guide', page })}#${section.id}`,
    })),
);
