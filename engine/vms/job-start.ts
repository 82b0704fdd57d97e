import { z } from 'zod';
import { vmIdSchema } from '../../node/contract/ids.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import type { VmsEnv } from './env.ts';
import { placeMemorySchema, placeStep, startStep } from './steps.ts';

export const vmInputSchema = z.object({ id: vmIdSchema, name: z.string() });
type Input = z.infer<typeof vmInputSchema>;
type Memory = z.infer<typeof placeMemorySchema>;

export const startJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.start',
    input: vmInputSchema,
    memory: placeMemorySchema,
    steps: [placeStep(env), startStep(env)],
    told: ({ input, memory }) => ({
      code: 'vm.started',
      message: `${input.name} was started${memory.hostId === undefined ? '' : ` on ${env.hosts.get(memory.hostId)?.record.name ?? 'a host'}`}.`,
    }),
  });
