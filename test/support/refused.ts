import { AppError } from '../../node/contract/error.ts';

/** The AppError with which a promise was rejected; anything else, also success, is thrown. */
export async function refused(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('was expected to be refused, but succeeded');
}
