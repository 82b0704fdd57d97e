import { AppError } from '../contract/error.ts';

export const wrongCode = (triesLeft?: number): AppError =>
  new AppError({
    code: 'pairing.wrong-code',
    family: 'denied',
    message: 'The pairing code is not the one that the host shows now.',
    remedy:
      "Read the code on the host's console again and try once more; after five wrong tries the host shows a new one.",
    ...(triesLeft === undefined ? {} : { details: { triesLeft } }),
  });

export const noSuchPairing = (): AppError =>
  new AppError({
    code: 'pairing.unknown',
    family: 'missing',
    message: 'This pairing does not exist or has ended.',
    remedy: 'Start the pairing again.',
  });

export const tooManyTries = (): AppError =>
  new AppError({
    code: 'pairing.too-many-tries',
    family: 'unavailable',
    message: 'Too many pairings were tried on this host just now.',
    remedy: 'Wait a minute, read the code on its console again, and try once more.',
  });

export const notFree = (): AppError =>
  new AppError({
    code: 'pairing.already-joined',
    family: 'denied',
    message: 'This host already belongs to a cluster.',
    remedy: 'Remove it from that cluster first.',
  });

export const tampered = (): AppError =>
  new AppError({
    code: 'pairing.tampered',
    family: 'denied',
    message: 'A message of this pairing was changed on its way.',
    remedy: 'Check what is between the two hosts on the network, then start the pairing again.',
  });

export const replayed = (): AppError =>
  new AppError({
    code: 'pairing.replayed',
    family: 'invalid',
    message: 'This pairing was already begun once.',
    remedy: 'Start the pairing again.',
  });

export const unreachable = (address: string, port: number, cause: unknown): AppError =>
  new AppError({
    code: 'pairing.unreachable',
    family: 'unavailable',
    message: `The host at ${address}, port ${port}, cannot be reached.`,
    remedy:
      'Check that it is switched on, that it shows this address, and that the network lets you reach it.',
    cause,
  });

export const unreadable = (address: string, cause: unknown): AppError =>
  new AppError({
    code: 'pairing.unreadable',
    family: 'conflict',
    message: `What answers at ${address} does not speak as a Trefoil host of this version does.`,
    remedy: 'Check the address, and that both hosts run the same version.',
    cause,
  });
