// The log of the DNS server: CoreDNS's lines on standard output, without time stamps.
import type { Logger, LogKeys } from '../lib/log.ts'

export interface LineLog {
  /** As it stands. */
  plain(text: string): void
  debug(text: string): void
  info(text: string): void
  warning(text: string): void
  error(text: string): void
  fatal(text: string): void
}

/** Lines are gathered until the end of the turn, so that a logged query costs no system call. */
export function createLineLog(write: (text: string) => void, debug = false): LineLog {
  let pending = ''
  const flush = () => {
    const text = pending
    pending = ''
    write(text)
  }
  const plain = (text: string) => {
    if (pending === '') setImmediate(flush)
    pending += `${text}\n`
  }
  const at = (level: string) => (text: string) => plain(`[${level}] ${text}`)
  return {
    plain,
    debug: debug ? at('DEBUG') : () => {},
    info: at('INFO'),
    warning: at('WARNING'),
    error: at('ERROR'),
    fatal: at('FATAL'),
  }
}

/** The same lines with "plugin/<name>: " before the text. */
export function pluginLog(log: LineLog, plugin: string): LineLog {
  const prefixed = (text: string) => `plugin/${plugin}: ${text}`
  return {
    plain: log.plain,
    debug: (text) => log.debug(prefixed(text)),
    info: (text) => log.info(prefixed(text)),
    warning: (text) => log.warning(prefixed(text)),
    error: (text) => log.error(prefixed(text)),
    fatal: (text) => log.fatal(prefixed(text)),
  }
}

/** A Logger for the rooms below, which speak in messages and keys. */
export function asLogger(log: LineLog): Logger {
  const text = (message: string, keys: LogKeys = {}) => {
    const parts = Object.entries(keys).map(([key, value]) => `${key}=${formatValue(value)}`)
    return [message, ...parts].join(' ')
  }
  const logger: Logger = {
    debug: (message, keys) => log.debug(text(message, keys)),
    info: (message, keys) => log.info(text(message, keys)),
    warn: (message, keys) => log.warning(text(message, keys)),
    error: (message, keys) => log.error(text(message, keys)),
    child: () => logger,
  }
  return logger
}

function formatValue(value: unknown): string {
  return value instanceof Error ? JSON.stringify(value.message) : JSON.stringify(value)
}

/** Says nothing. */
export const silentLines: LineLog = createLineLog(() => {})
