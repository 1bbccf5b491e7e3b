/**
 * Models of devices: what a request takes, and how many are served at once. Each figure says where it comes from.
 *
 *     one request at a time    latency + length * nsPerByte
 *     many                     slots / latency requests a second, up to 1 / nsPerByte bytes a second
 *
 * Sources
 *   loop          traces/page-mkwrite-inversion-6.18.txt: a write of 16 KiB took 0.25 ms from issue to completion; one of
 *                 16 MiB took 11.9 ms (1268.660098 to 1268.671979)
 *   nvme          Samsung PM9A3 (U.2, 2020) by its data sheet: 900,000 random reads a second, 6.5 GB/s; 80 us for one
 *                 read is what drives of this class are measured at with one request in flight
 *   sata-ssd      Samsung 870 EVO by its data sheet: 13,000 random reads a second with one request in flight, 98,000
 *                 with 32, 560 MB/s
 *   disk          HGST Ultrastar 7K4000: 8.2 ms mean seek; 7,200 turns a minute: 4.16 ms mean rotational latency;
 *                 Seagate Constellation ES.3: 175 MB/s sustained
 *   network-disk  Amazon EBS gp3: 16,000 IOPS and 1,000 MiB/s at most, "single-digit millisecond" latency: 1 ms here
 *   object-store  20 ms to the first byte: between S3 Express One Zone ("single-digit millisecond") and S3 Standard (up
 *                 to 10 times that); 10 Gbit/s of network; 512 requests at once
 *
 * Jitter is uniform and our own guess: a tenth of the latency, a quarter for the disk, whose seeks differ most.
 */
import { MS, type Prng, US } from '../base/index.ts'
import type { ServiceTime } from '../device/index.ts'

export type DeviceName = 'loop' | 'nvme' | 'sata-ssd' | 'disk' | 'network-disk' | 'object-store'

type Row = readonly [latency: number, nsPerByte: number, slots: number, jitter: number]

//                                           latency    ns a byte  slots  jitter
const MODELS: { readonly [Name in DeviceName]: Row } = {
  loop: /*                                */ [250 * US, 0.7, /*  */ 16, 0.1],
  nvme: /*                                */ [80 * US, /**/ 0.154, 72, /**/ 0.1],
  'sata-ssd': /*                          */ [70 * US, /**/ 1.786, 8, /* */ 0.1],
  disk: /*                                */ [12.36 * MS, 5.71, /**/ 1, /* */ 0.25],
  'network-disk': /*                      */ [1 * MS, /* */ 0.954, 16, /**/ 0.1],
  'object-store': /*                      */ [20 * MS, /**/ 0.8, /*  */ 512, 0.1],
}

export function serviceTime(name: DeviceName, prng: Prng): ServiceTime {
  const [latency, nsPerByte, slots, fraction] = MODELS[name]
  return { latency, nsPerByte, slots, jitter: { fraction, prng } }
}
