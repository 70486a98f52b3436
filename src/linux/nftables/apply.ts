// One table of the kernel's, owned by us: read it, and carry out transactions on it.
import { constants } from 'node:os'
import { describeErrno, SystemError } from '../ffi.ts'
import { NETLINK_NETFILTER, type NetlinkSocket, openNetlink, parseReply } from '../netlink.ts'
import { type NetlinkMessage, NLMSG_ERROR, parseAttributes } from '../netlink-message.ts'
import type { ElementRecord } from './element-codec.ts'
import {
  type Batch,
  type EncodeContext,
  encodeBatches,
  generationHeader,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG_GETGEN,
  NFT_TABLE_F_OWNER,
  NFT_TABLE_F_PERSIST,
} from './encode.ts'
import type { Operation, SetDeclaration, Table } from './objects.ts'
import { readElements, readTable, type TableName, tableExists } from './read.ts'
import { formatOperation } from './text.ts'

/** Asked for; a user namespace gets net.core.wmem_max at most. */
const wantedBufferBytes = 64 * 1024 * 1024
const smallestBatchBytes = 16 * 1024
const { EBUSY, EMSGSIZE, EAGAIN } = constants.errno
const NFTA_GEN_ID = 1

export interface Applied {
  /** Sent to the kernel, all batches together. */
  readonly bytes: number
  /** By how much the generation rose. */
  readonly commits: number
  /** Deletions of chains that the kernel still held busy: try them again later. */
  readonly postponed: readonly Operation[]
}

export interface NftablesOptions extends TableName {
  /**
   * Own the table (kernel 5.12, kept past our end from 6.9), so that nobody else changes or
   * flushes it. Falls back to an ordinary table where the kernel cannot. Default true.
   */
  readonly owner?: boolean
}

/** Opens a netlink socket in the calling thread's network namespace. Throws SystemError. */
export function openNftables(options: NftablesOptions): Nftables {
  return new Nftables(openNetlink(NETLINK_NETFILTER), options)
}

/** Ownership hangs on the socket: all writes to the table must go through this one object. */
export class Nftables {
  readonly table: TableName
  readonly #socket: NetlinkSocket
  #maxBatchBytes: number
  #tableFlags: number

  constructor(socket: NetlinkSocket, { family, name, owner = true }: NftablesOptions) {
    this.#socket = socket
    this.table = { family, name }
    this.#tableFlags = owner ? NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST : 0
    this.#maxBatchBytes = Math.floor(socket.resizeBuffers(wantedBufferBytes) / 2)
  }

  /** True while nobody else can change the table. */
  get isOwner(): boolean {
    return this.#tableFlags !== 0
  }

  read(): Table | undefined {
    return readTable(this.#socket, this.table)
  }

  readElements(set: SetDeclaration): ElementRecord[] {
    return readElements(this.#socket, this.table, set)
  }

  /** Rises with every commit to any table of this network namespace. */
  generation(): number {
    const replies = this.#socket.request(
      (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
      0,
      generationHeader(0, 0),
    )
    const attributes = parseAttributes(replies[0]!.payload, 4)
    return attributes.get(NFTA_GEN_ID)!.readUInt32BE(0)
  }

  /** Takes over a table that an earlier process left, if there is one. */
  adopt(): boolean {
    if (!tableExists(this.#socket, this.table)) return false
    this.apply([{ type: 'addTable' }])
    return true
  }

  /**
   * Carries out the operations, all or none; more than one socket buffer of them in several
   * transactions, in order. Throws SystemError that names the operation the kernel refused.
   */
  apply(operations: readonly Operation[]): Applied {
    try {
      return { ...this.#commitAll(operations), postponed: [] }
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      if (this.#isOwnershipRefused(error)) {
        this.#tableFlags = 0
        return this.apply(operations)
      }
      if (error.errno === EMSGSIZE && this.#maxBatchBytes > smallestBatchBytes) {
        this.#maxBatchBytes = Math.floor(this.#maxBatchBytes / 2)
        return this.apply(operations)
      }
      // Before Linux 6.2 a chain stays busy for a moment after the last verdict that led to it.
      const postponed = operations.filter(({ type }) => type === 'deleteChain')
      if (error.errno !== EBUSY || postponed.length === 0) throw error
      const rest = operations.filter(({ type }) => type !== 'deleteChain')
      return { ...this.#commitAll(rest), postponed }
    }
  }

  close(): void {
    this.#socket.close()
  }

  /** Kernels without table owners answer EOPNOTSUPP or EINVAL; so does adopting another's table. */
  #isOwnershipRefused({ code, operation }: SystemError): boolean {
    const refusals: readonly string[] = ['EOPNOTSUPP', 'ENOTSUP', 'EINVAL']
    const addTable = `cannot ${formatOperation({ type: 'addTable' }, this.table)}`
    return this.isOwner && refusals.includes(code) && operation === addTable
  }

  #commitAll(operations: readonly Operation[]): { bytes: number; commits: number } {
    const context: EncodeContext = {
      family: this.table.family,
      table: this.table.name,
      tableFlags: this.#tableFlags,
      takeSeq: () => this.#socket.takeSeq(),
    }
    let bytes = 0
    let commits = 0
    for (const batch of encodeBatches(operations, context, this.#maxBatchBytes)) {
      this.#commit(batch, operations)
      bytes += batch.bytes.length
      commits++
    }
    return { bytes, commits }
  }

  #commit(batch: Batch, operations: readonly Operation[]): void {
    this.#socket.send(batch.bytes)
    let isAcknowledged = false
    let failure: SystemError | undefined
    for (const message of this.#answers()) {
      if (message.type !== NLMSG_ERROR) continue
      const { errno, seq, text } = parseReply(message)
      if (seq === batch.lastSeq && errno === 0) isAcknowledged = true
      if (errno === 0 || failure) continue
      const operation = operations[batch.operationOf.get(seq) ?? -1]
      const what = operation ? formatOperation(operation, this.table) : 'nftables transaction'
      const detail = text ? `${describeErrno(errno)} (${text})` : describeErrno(errno)
      failure = new SystemError(`cannot ${what}`, errno, detail)
    }
    if (failure) throw failure
    if (!isAcknowledged)
      throw new SystemError('nftables transaction', EAGAIN, 'the kernel did not acknowledge it')
  }

  /** The kernel has answered by the time send returns: read until there is nothing left. */
  *#answers(): Generator<NetlinkMessage> {
    for (;;) {
      try {
        yield* this.#socket.receive()
      } catch (error) {
        if (error instanceof SystemError && error.errno === EAGAIN) return
        throw error
      }
    }
  }
}
