/**
 * Random operations on a filesystem against a flat model.
 *
 *     node src/posix/exercise.ts DIRECTORY [--seed N] [--count N]
 *
 * Takes root, and Linux. Ends with 1, and the line that replays it, at the first answer that isn't the model's.
 */
import { playAndTell } from './campaign.ts'

playAndTell('src/posix/exercise.ts')
