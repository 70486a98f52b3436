// Amounts as Kubernetes writes them: "100m", "1.5", "2Gi", "1e3". Read exactly, as a whole number
// of 10^-9; Kubernetes keeps no finer ones.

const binary: Readonly<Record<string, bigint>> = {
  Ki: 2n ** 10n,
  Mi: 2n ** 20n,
  Gi: 2n ** 30n,
  Ti: 2n ** 40n,
  Pi: 2n ** 50n,
  Ei: 2n ** 60n,
}
const decimal: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
}
const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,3}|[numkMGTPE]|)$/

/** In units of 10^-9, rounded up; undefined when it is no quantity. */
export function parseQuantity(quantity: string | number): bigint | undefined {
  const match = pattern.exec(String(quantity))
  if (!match) return undefined
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match
  if (whole === '' && fraction === '') return undefined
  const digits = BigInt(`${whole}${fraction}` || '0')
  const factor = binary[suffix]
  const exponent = (factor ? 0 : exponentOf(suffix)) + 9 - fraction.length
  const scaled = digits * (factor ?? 1n)
  const nanos =
    exponent >= 0 ? scaled * 10n ** BigInt(exponent) : divideUp(scaled, 10n ** BigInt(-exponent))
  return sign === '-' ? -nanos : nanos
}

const exponentOf = (suffix: string): number =>
  decimal[suffix] ?? Number.parseInt(suffix.slice(1), 10)

const divideUp = (value: bigint, by: bigint): bigint => (value + by - 1n) / by

/** In thousandths, rounded up, as CPU is counted; 0 for what is absent or no quantity. */
export const quantityMilli = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(divideUp(parseQuantity(quantity) ?? 0n, 1_000_000n))

/** In whole units, rounded up, as memory is counted; 0 for what is absent or no quantity. */
export const quantityValue = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(divideUp(parseQuantity(quantity) ?? 0n, 1_000_000_000n))
