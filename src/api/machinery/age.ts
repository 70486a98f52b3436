// Durations as kubectl shows them: k8s.io/apimachinery pkg/util/duration HumanDuration.

const unknown = '<unknown>'
const hour = 3600
const day = 24 * hour
const year = 365 * day

/** Two units at most, the finer the shorter the time: "119s", "9m30s", "47h", "2y15d". */
export function formatDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  const minutes = Math.trunc(seconds / 60)
  const hours = Math.trunc(seconds / hour)
  if (seconds < 120) return `${seconds}s`
  if (minutes < 10) return two([minutes, 'm'], [seconds % 60, 's'])
  if (minutes < 3 * 60) return `${minutes}m`
  if (hours < 8) return two([hours, 'h'], [minutes % 60, 'm'])
  if (hours < 48) return `${hours}h`
  const days = Math.trunc(hours / 24)
  if (hours < 8 * 24) return two([days, 'd'], [hours % 24, 'h'])
  if (seconds < 2 * year) return `${days}d`
  const years = Math.trunc(seconds / year)
  return seconds < 8 * year ? two([years, 'y'], [days % 365, 'd']) : `${years}y`
}

type Amount = readonly [count: number, unit: string]

function two([major, unit]: Amount, [minor, minorUnit]: Amount): string {
  return minor === 0 ? `${major}${unit}` : `${major}${unit}${minor}${minorUnit}`
}

/** The time since a timestamp; `<unknown>` without one. */
export function formatAge(timestamp: string | null | undefined, nowMs: number): string {
  return timestamp ? formatDuration(nowMs - Date.parse(timestamp)) : unknown
}
