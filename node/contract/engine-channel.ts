import { z } from 'zod';

/** How the engine says that it is: by its API (`GET /api/v1/health`), and through its VM's own channel. */
export const engineStateSchema = z.enum(['ready', 'starting', 'database-down']);
export const engineHealthSchema = z.object({ state: engineStateSchema });

/**
 * The channel needs no network: the virtio-serial port that each VM has for QEMU's guest agent. In the engine's VM the
 * engine itself answers there, in that agent's words (one JSON object a line), so an answer means that its process runs.
 */
export const engineChannel = {
  port: 'org.qemu.guest_agent.0',
  /** -> {"return": {"state": "ready"}} */
  healthCommand: 'trefoil-health',
} as const;
export const engineChannelAnswerSchema = z.object({ return: engineHealthSchema });

export type EngineState = z.infer<typeof engineStateSchema>;
