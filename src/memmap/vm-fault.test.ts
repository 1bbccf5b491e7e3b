/** The words of a fault: who owns the lock after which result, and which error is carried to whom. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'
import {
  carriedError,
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  newVmFault,
  renewVmFault,
  VM_FAULT_COMPLETED,
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
  vmFaultResult,
} from './index.ts'

const fault = (changes: { lockReleased?: boolean; retry?: boolean; result?: number }) =>
  Object.assign(newVmFault(16, 'load', 1, 0), changes)

describe('a new fault', () => {
  it('may restart and be killed, and hasn’t been tried', () => {
    const load = newVmFault(16, 'load', 1, 5)
    assert.equal(load.flags, FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE)
    assert.equal(load.flags & FAULT_FLAG_TRIED, 0)
    assert.equal(newVmFault(16, 'store', 1, 5).flags & FAULT_FLAG_WRITE, FAULT_FLAG_WRITE)
  })
})

describe('the record of a fault that is over', () => {
  for (const access of ['load', 'store'] as const)
    it(`becomes one of a new ${access}, with nothing of what was`, () => {
      const fresh = newVmFault(99, access, 1, 7)
      const used = newVmFault(16, access, 1, 5)
      for (const field of Object.keys(used))
        if (field !== 'access' && field !== 'group') Object.assign(used, { [field]: 'of the first' })
      renewVmFault(used, 99, 7)
      assert.deepEqual(used, fresh)
    })
})

describe('case 15: the two bits, as the kernel’s results', () => {
  const TABLE = [
    { lockReleased: false, retry: false, result: 0 },
    { lockReleased: true, retry: false, result: VM_FAULT_COMPLETED },
    { lockReleased: true, retry: true, result: VM_FAULT_RETRY },
    { lockReleased: false, retry: true, result: VM_FAULT_RETRY },
  ]
  for (const { result, ...bits } of TABLE)
    it(`${bits.lockReleased ? 'released' : 'held'}, ${bits.retry ? 'again' : 'finished'}`, () => {
      assert.equal(vmFaultResult(fault(bits), errno.OK), result)
      assert.equal(
        vmFaultResult(fault({ ...bits, result: VM_FAULT_MAJOR }), errno.OK),
        result | VM_FAULT_MAJOR,
      )
    })

  it('an error of a fault that has ended is told whether its lock was released or not', () => {
    for (const lockReleased of [false, true]) {
      const result = vmFaultResult(fault({ lockReleased }), errno.EIO)
      assert.equal(result & VM_FAULT_ERROR, VM_FAULT_SIGBUS)
    }
  })

  it('an error is the signal that the kernel makes of it', () => {
    const signal = (error: number) => vmFaultResult(fault({}), error)
    assert.equal(signal(errno.ENOMEM), VM_FAULT_OOM)
    for (const error of [errno.EFAULT, errno.EACCES]) assert.equal(signal(error), VM_FAULT_SIGSEGV)
    for (const error of [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENXIO])
      assert.equal(signal(error), VM_FAULT_SIGBUS)
    assert.equal(signal(errno.EAGAIN), VM_FAULT_NOPAGE)
  })
})

describe('a carried error', () => {
  const failed: Ticket = {
    id: 1,
    what: 'a read',
    complete: true,
    errno: errno.EIO,
    opener: undefined,
    waiters: [],
  }

  it('is told for the very page that was asked for, and for no other', () => {
    const asked = Object.assign(fault({}), { asked: { ticket: failed, file: 3, index: 7 } })
    assert.equal(carriedError(asked, 3, 7), errno.EIO)
    assert.equal(carriedError(asked, 3, 8), 0)
    assert.equal(carriedError(asked, 4, 7), 0)
    assert.equal(carriedError(fault({}), 3, 7), 0)
  })
})
