// Structured logs: a constant message plus keys. This file alone decides format and destination.
import { pino } from 'pino'

export type LogKeys = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, keys?: LogKeys): void
  info(message: string, keys?: LogKeys): void
  warn(message: string, keys?: LogKeys): void
  /** An `error` key may hold the Error itself; its stack is kept. */
  error(message: string, keys?: LogKeys): void
  child(keys: LogKeys): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A logger that writes JSON lines to a file descriptor, standard error by default. */
export function createLogger(
  options: { level?: LogLevel; fd?: number; keys?: LogKeys } = {},
): Logger {
  const destination = pino.destination({ fd: options.fd ?? 2, sync: true })
  const root = pino(
    {
      level: options.level ?? 'info',
      base: options.keys ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.err },
    },
    destination,
  )
  return wrap(root)
}

interface PinoLogger {
  debug(keys: LogKeys, message: string): void
  info(keys: LogKeys, message: string): void
  warn(keys: LogKeys, message: string): void
  error(keys: LogKeys, message: string): void
  child(keys: LogKeys): PinoLogger
}

function wrap(inner: PinoLogger): Logger {
  return {
    debug: (message, keys) => inner.debug(keys ?? {}, message),
    info: (message, keys) => inner.info(keys ?? {}, message),
    warn: (message, keys) => inner.warn(keys ?? {}, message),
    error: (message, keys) => inner.error(keys ?? {}, message),
    child: (keys) => wrap(inner.child(keys)),
  }
}

/** Says nothing; what components use unless they are handed a logger. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
}
