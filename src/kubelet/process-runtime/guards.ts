// Files of /proc and /sys that belong to the host as a whole: what an unprivileged container may not
// write there, and what it may not even read. The same as CRI runtimes guard.

/** Bound on themselves, read-only. A Pod's own sysctls are set before its containers start. */
export const readOnlyPaths: readonly string[] = [
  ...['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
]

/** Hidden behind something empty. */
export const maskedPaths: readonly string[] = [
  ...['/proc/acpi', '/proc/asound', '/proc/kcore', '/proc/keys', '/proc/latency_stats'],
  ...['/proc/sched_debug', '/proc/scsi', '/proc/timer_list', '/proc/timer_stats'],
  ...['/sys/devices/virtual/powercap', '/sys/firmware'],
]
