// The program of the pause container, as machine code of our own: block SIGINT, SIGTERM and SIGCHLD, then wait for them
// with rt_sigtimedwait. Blocked signals stay pending, so none is lost between two waits, and process 1 of a PID
// namespace receives them although it has no handler. SIGINT and SIGTERM end it with code 0, SIGCHLD reaps all zombies.

export type Architecture = 'amd64' | 'arm64';

// Bit n-1 stands for signal n: SIGINT 2, SIGTERM 15, SIGCHLD 17.
const signalSet = (1n << 1n) | (1n << 14n) | (1n << 16n);
const sigchld = 17;

/** Emits code with labels; a reference is resolved when all is placed. */
class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixes: (() => void)[] = [];

  emit(...bytes: number[]): void {
    this.#bytes.push(...bytes);
  }

  word(value: number): void {
    this.emit(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff);
  }

  quad(value: bigint): void {
    this.word(Number(value & 0xffffffffn));
    this.word(Number(value >> 32n));
  }

  label(name: string): void {
    this.#labels.set(name, this.#bytes.length);
  }

  /** `size` bytes, filled in with `make(distance)`: the distance from the reference's start to the label. */
  reference(name: string, size: 1 | 4, make: (distance: number) => number): void {
    const at = this.#bytes.length;
    for (let i = 0; i < size; i++) this.emit(0);
    this.#fixes.push(() => {
      const value = make(this.#labels.get(name)! - at);
      for (let i = 0; i < size; i++) this.#bytes[at + i] = (value >>> (8 * i)) & 0xff;
    });
  }

  finish(): Buffer {
    for (const fix of this.#fixes) fix();
    return Buffer.from(this.#bytes);
  }
}

function amd64(): Buffer {
  const a = new Assembler();
  const call = (number: number) => {
    a.emit(0xb8); // mov eax, number
    a.word(number);
    a.emit(0x0f, 0x05); // syscall
  };
  const jump = (opcode: number, to: string) => {
    a.emit(opcode);
    a.reference(to, 1, distance => distance - 1);
  };
  const addressOfSet = (register: number) => {
    a.emit(0x48, 0x8d, register); // lea register, [rip + set]
    a.reference('set', 4, distance => distance - 4);
  };
  const [rdi, rsi] = [0x3d, 0x35];
  const zeroEdx = [0x31, 0xd2];
  const eightToR10 = [0x41, 0xba, 8, 0, 0, 0];

  a.emit(0x31, 0xff); // xor edi, edi: SIG_BLOCK
  addressOfSet(rsi);
  a.emit(...zeroEdx, ...eightToR10);
  call(14); // rt_sigprocmask
  a.label('wait');
  addressOfSet(rdi);
  a.emit(0x31, 0xf6, ...zeroEdx, ...eightToR10); // no siginfo, no timeout
  call(128); // rt_sigtimedwait
  a.emit(0x83, 0xf8, sigchld); // cmp eax, SIGCHLD
  jump(0x75, 'other'); // jne
  a.label('reap');
  a.emit(0xbf, 0xff, 0xff, 0xff, 0xff); // mov edi, -1: any child
  a.emit(0x31, 0xf6); // no status
  a.emit(0xba, 1, 0, 0, 0); // mov edx, WNOHANG
  a.emit(0x45, 0x31, 0xd2); // xor r10d, r10d
  call(61); // wait4
  a.emit(0x85, 0xc0); // test eax, eax
  jump(0x7f, 'reap'); // jg
  jump(0xeb, 'wait');
  a.label('other');
  a.emit(0x85, 0xc0);
  jump(0x78, 'wait'); // js: interrupted
  a.emit(0x31, 0xff);
  call(231); // exit_group
  a.label('set');
  a.quad(signalSet);
  return a.finish();
}

function arm64(): Buffer {
  const a = new Assembler();
  const move = (register: number, value: number) => a.word(0xd2800000 | (value << 5) | register); // movz
  const call = (number: number) => {
    move(8, number);
    a.word(0xd4000001); // svc 0
  };
  const addressOfSet = (register: number) =>
    a.reference('set', 4, d => 0x10000000 | ((d & 3) << 29) | (((d >> 2) & 0x7ffff) << 5) | register); // adr
  const compare = (value: number) => a.word(0x7100001f | (value << 10)); // cmp w0, value
  const branch = (condition: number, to: string) =>
    a.reference(to, 4, d => 0x54000000 | (((d >> 2) & 0x7ffff) << 5) | condition);
  const [notEqual, less, greater] = [1, 11, 12];
  const wait = () => a.reference('wait', 4, d => 0x14000000 | ((d >> 2) & 0x3ffffff)); // b

  move(0, 0);
  addressOfSet(1);
  move(2, 0);
  move(3, 8);
  call(135); // rt_sigprocmask
  a.label('wait');
  addressOfSet(0);
  move(1, 0);
  move(2, 0);
  move(3, 8);
  call(137); // rt_sigtimedwait
  compare(sigchld);
  branch(notEqual, 'other');
  a.label('reap');
  a.word(0x92800000); // movn x0, 0: -1, any child
  move(1, 0);
  move(2, 1); // WNOHANG
  move(3, 0);
  call(260); // wait4
  compare(0);
  branch(greater, 'reap');
  wait();
  a.label('other');
  compare(0);
  branch(less, 'wait');
  move(0, 0);
  call(94); // exit_group
  a.label('set');
  a.quad(signalSet);
  return a.finish();
}

const base = 0x400000n;
const headerBytes = 64;
const segmentBytes = 56;

/** A static ELF executable: one segment, headers and code, readable and executable; a stack that is not executable. */
export function pauseProgram(architecture: Architecture): Buffer {
  const code = architecture === 'amd64' ? amd64() : arm64();
  const codeAt = headerBytes + 2 * segmentBytes;
  const elf = Buffer.alloc(codeAt + code.length);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // magic, 64 bits, little-endian, version 1
  elf.writeUInt16LE(2, 16); // ET_EXEC
  elf.writeUInt16LE(architecture === 'amd64' ? 62 : 183, 18); // machine
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(base + BigInt(codeAt), 24); // entry
  elf.writeBigUInt64LE(BigInt(headerBytes), 32); // program headers
  elf.writeUInt16LE(headerBytes, 52);
  elf.writeUInt16LE(segmentBytes, 54);
  elf.writeUInt16LE(2, 56);
  elf.writeUInt16LE(64, 58); // size of a section header; there is none
  const segment = (at: number, type: number, flags: number, address: bigint, bytes: number, align: bigint) => {
    elf.writeUInt32LE(type, at);
    elf.writeUInt32LE(flags, at + 4);
    elf.writeBigUInt64LE(address, at + 16);
    elf.writeBigUInt64LE(address, at + 24);
    elf.writeBigUInt64LE(BigInt(bytes), at + 32);
    elf.writeBigUInt64LE(BigInt(bytes), at + 40);
    elf.writeBigUInt64LE(align, at + 48);
  };
  segment(headerBytes, 1, 5, base, elf.length, 0x10000n); // PT_LOAD, read and execute
  segment(headerBytes + segmentBytes, 0x6474e551, 6, 0n, 0, 16n); // PT_GNU_STACK
  elf.set(code, codeAt);
  return elf;
}
