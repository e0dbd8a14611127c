//! The seccomp filter: which calls stop the program.

use nix::libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_TRACE,
    sock_filter,
};

use super::calls::{Call, Only};

/// Where the kernel puts what a filter sees (`struct seccomp_data`): the number, and the low half of an argument.
const NUMBER_AT: u32 = 0;
const ARGUMENTS_AT: u32 = 16;
const ARGUMENT_SIZE: u32 = 8;

/// The program of the filter: each of these calls is told to the tracer.
pub fn stopping_at(calls: &[Call]) -> Vec<sock_filter> {
    let mut program = vec![load(NUMBER_AT)];
    for call in calls {
        let number = u32::try_from(call.number).expect("a system call's number");
        match call.only {
            Only::All => program.extend([skip_unless(BPF_JEQ, number, 1), end(SECCOMP_RET_TRACE)]),
            Only::AnyOf { argument, bits } => program.extend(with_argument(number, argument, BPF_JSET, bits)),
            Only::Equal { argument, value } => program.extend(with_argument(number, argument, BPF_JEQ, value)),
        }
    }
    program.push(end(SECCOMP_RET_ALLOW));
    program
}

/// The argument takes the place of the number for a while.
fn with_argument(number: u32, argument: u32, test: u32, value: u32) -> [sock_filter; 5] {
    [
        skip_unless(BPF_JEQ, number, 4),
        load(ARGUMENTS_AT + argument * ARGUMENT_SIZE),
        skip_unless(test, value, 1),
        end(SECCOMP_RET_TRACE),
        load(NUMBER_AT),
    ]
}

fn load(at: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, at)
}

fn end(verdict: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, verdict)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: short(code), jt: 0, jf: 0, k }
}

fn skip_unless(test: u32, value: u32, instructions: u8) -> sock_filter {
    sock_filter { code: short(BPF_JMP | test | BPF_K), jt: 0, jf: instructions, k: value }
}

fn short(code: u32) -> u16 {
    u16::try_from(code).expect("an instruction's code")
}
