// Addresses as the older validators of strings take them: leading zeros are tolerated.
import { parseIp } from '../../lib/ip.ts'

export function isIPv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^\d+$/.test(part) && Number(part) <= 255)
}

export const isIPv6 = (text: string): boolean => text.includes(':') && parseIp(text) !== undefined
