/** How console.log shows the objects of the library: in a line, not with the machine that they hang on. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom')
