import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { usableModelsOf } from './cpu-models.ts';

const test = suite('cpu models');

/** Captured from libvirt 11.3, shortened. */
const capabilities = `<domainCapabilities>
  <path>/usr/bin/qemu-system-x86_64</path>
  <cpu>
    <mode name='host-passthrough' supported='no'/>
    <mode name='maximum' supported='yes'><enum name='maximumMigratable'><value>on</value></enum></mode>
    <mode name='host-model' supported='yes'>
      <model fallback='forbid'>EPYC-Rome</model>
      <vendor>AMD</vendor>
    </mode>
    <mode name='custom' supported='yes'>
      <model usable='yes' vendor='unknown' canonical='qemu64-v1'>qemu64</model>
      <model usable='no' vendor='Intel'>Skylake-Server</model>
      <blockers model='Skylake-Server'><feature name='pcid'/></blockers>
      <model usable='yes' vendor='Intel'>Nehalem</model>
      <model usable='unknown' vendor='AMD'>486</model>
    </mode>
  </cpu>
</domainCapabilities>`;

test('only the models that a guest can really have', () => {
  assert.equal(usableModelsOf(capabilities), ['Nehalem', 'qemu64']);
});

test('none is none, and what is no answer is refused', () => {
  assert.equal(
    usableModelsOf(
      "<domainCapabilities><cpu><mode name='custom' supported='no'/></cpu></domainCapabilities>",
    ),
    [],
  );
  assert.throws(() => usableModelsOf('<html></html>'));
});

test.run();
