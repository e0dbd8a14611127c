//! A tracer: runs a program and counts its system calls, over all its threads and children. At the call of a chosen
//! number the whole tree is killed, or the call comes to another end than the kernel's.
//!
//! A seccomp filter stops the program at the calls that count and at no others, so a traced run takes little longer.
//! A tracer belongs to the thread that started it: each thread may trace a tree of its own.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod calls;
mod child;
mod filter;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::libc::user_regs_struct;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use calls::Call;

/// What happens at which of the calls that count; they are numbered from 1, over all threads and children.
#[derive(Debug, Clone, Copy)]
pub enum Plan {
    /// Nothing.
    Count,
    /// Before this call is done, the whole tree is killed.
    KillAt(u64),
    /// This call comes to another end.
    ChangeAt(u64, Change),
    /// This call comes to one of the ends that it may come to; which, is told by a number.
    ChooseAt(u64, fn(&Hit, u64) -> Option<Change>, u64),
    /// All of them come to another end.
    ChangeAll(Change),
}

/// Another end of a call than the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It isn't done, and fails.
    Fail(Errno),
    /// It is asked for half of the bytes only.
    Halve,
    /// It isn't done, and says that it was.
    Skip,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(error) => write!(f, "{error:?}"),
            Self::Halve => f.write_str("half of the bytes"),
            Self::Skip => f.write_str("not done, no error"),
        }
    }
}

/// The call that the plan hit first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its name.
    pub call: &'static str,
    /// What it was done to, as far as that can be told.
    pub target: String,
    /// The program that made it.
    pub program: String,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) of {}", self.call, self.target, self.program)
    }
}

/// How a traced run ended.
#[derive(Debug, Default)]
pub struct Report {
    /// How many calls counted.
    pub calls: u64,
    /// What the plan hit first. `None`: the run has fewer calls.
    pub hit: Option<Hit>,
    /// How many calls came to another end.
    pub changed: u64,
    /// The other end that the first of them came to.
    pub change: Option<Change>,
    /// All calls that counted, where the tracer was told to tell them.
    pub story: Vec<Hit>,
    /// Of the program itself. `None`: a signal killed it.
    pub code: Option<i32>,
}

/// A program that was started and waits to be traced.
pub struct Tracer {
    child: Child,
    program: PathBuf,
    calls: &'static [Call],
    plan: Plan,
    only: Option<fn(&Hit) -> bool>,
    tells: bool,
    /// Whether a task is the program itself, where only its own calls count.
    own: Option<BTreeMap<Pid, bool>>,
    tasks: BTreeSet<Pid>,
    /// What the third argument was before it was halved.
    halved: BTreeMap<Pid, u64>,
    report: Report,
    _of_this_thread: PhantomData<*const ()>,
}

impl Tracer {
    /// Starts a program by its path. `calls` are those that count.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(command: Command, calls: &'static [Call], plan: Plan) -> io::Result<Self> {
        let program = fs::canonicalize(command.get_program())?;
        let child = child::spawn(command, calls)?;
        Ok(Self {
            tasks: BTreeSet::from([pid_of(&child)]),
            child,
            program,
            calls,
            plan,
            only: None,
            tells: false,
            own: None,
            halved: BTreeMap::new(),
            report: Report::default(),
            _of_this_thread: PhantomData,
        })
    }

    /// Of the calls only those count that this accepts.
    #[must_use]
    pub fn only(mut self, is_it: fn(&Hit) -> bool) -> Self {
        self.only = Some(is_it);
        self
    }

    /// Of the calls only the program's own count, not those of other programs that it starts.
    #[must_use]
    pub fn own(mut self) -> Self {
        self.own = Some(BTreeMap::new());
        self
    }

    /// All calls that count are told in the report.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.tells = true;
        self
    }

    /// The program; its output can be taken. Its end is told by [`run`](Self::run).
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The program's process identifier.
    #[must_use]
    pub fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Lets the program run to its end, and everything that it started.
    ///
    /// # Errors
    /// The kernel refuses to trace.
    pub fn run(mut self) -> io::Result<Report> {
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(status) => self.pass_on(status).or_else(unless_gone)?,
                Err(Errno::ECHILD) => return Ok(std::mem::take(&mut self.report)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn pass_on(&mut self, status: WaitStatus) -> nix::Result<()> {
        match status {
            WaitStatus::Exited(pid, code) => {
                if pid == self.pid() {
                    self.report.code = Some(code);
                }
                self.tasks.remove(&pid);
                Ok(())
            }
            WaitStatus::Signaled(pid, ..) => {
                self.tasks.remove(&pid);
                Ok(())
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.tasks.insert(pid);
                if event == Event::PTRACE_EVENT_EXEC as i32
                    && let Some(own) = &mut self.own
                {
                    own.remove(&pid);
                }
                let at_call = event == Event::PTRACE_EVENT_SECCOMP as i32;
                if at_call { self.at_call(pid) } else { self.go_on(pid, None) }
            }
            // Of a task that is new, or of the program that has become itself.
            WaitStatus::Stopped(pid, Signal::SIGSTOP | Signal::SIGTRAP) => {
                self.tasks.insert(pid);
                if pid == self.pid() {
                    ptrace::setoptions(pid, options())?;
                }
                self.go_on(pid, None)
            }
            WaitStatus::Stopped(pid, signal) => self.go_on(pid, Some(signal)),
            WaitStatus::PtraceSyscall(pid) => self.at_end_of_call(pid),
            _ => Ok(()),
        }
    }

    fn is_killed(&self) -> bool {
        matches!(self.plan, Plan::KillAt(_)) && self.report.hit.is_some()
    }

    /// A task that comes to life while the others are killed dies with them.
    fn go_on(&self, pid: Pid, signal: Option<Signal>) -> nix::Result<()> {
        if self.is_killed() { kill(pid, Signal::SIGKILL) } else { ptrace::cont(pid, signal) }
    }

    fn at_call(&mut self, pid: Pid) -> nix::Result<()> {
        if self.is_killed() {
            return kill(pid, Signal::SIGKILL);
        }
        if !self.counts(pid)? {
            return ptrace::cont(pid, None);
        }
        self.report.calls += 1;
        if self.tells {
            let hit = self.hit(pid, &ptrace::getregs(pid)?);
            self.report.story.push(hit);
        }
        let is_meant = match self.plan {
            Plan::Count => false,
            Plan::KillAt(at) | Plan::ChangeAt(at, _) | Plan::ChooseAt(at, ..) => at == self.report.calls,
            Plan::ChangeAll(_) => true,
        };
        if is_meant { self.strike(pid) } else { ptrace::cont(pid, None) }
    }

    /// Whether the plan counts this call.
    fn counts(&mut self, pid: Pid) -> nix::Result<bool> {
        if let Some(own) = &mut self.own {
            let program = &self.program;
            let is_it = || fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|executable| executable == *program);
            if !*own.entry(pid).or_insert_with(is_it) {
                return Ok(false);
            }
        }
        match self.only {
            Some(only) => Ok(only(&self.hit(pid, &ptrace::getregs(pid)?))),
            None => Ok(true),
        }
    }

    /// What the plan has for this call.
    fn strike(&mut self, pid: Pid) -> nix::Result<()> {
        let registers = ptrace::getregs(pid)?;
        let hit = self.hit(pid, &registers);
        let change = match self.plan {
            Plan::ChangeAt(_, change) | Plan::ChangeAll(change) => Some(change),
            Plan::ChooseAt(_, choose, which) => choose(&hit, which),
            Plan::Count | Plan::KillAt(_) => None,
        };
        let is_death = matches!(self.plan, Plan::KillAt(_));
        if (is_death || change.is_some()) && self.report.hit.is_none() {
            self.report.hit = Some(hit);
            self.report.change = change;
        }
        match change {
            Some(change) => {
                self.report.changed += 1;
                self.change(pid, registers, change)
            }
            None if is_death => self.kill_all(),
            None => ptrace::cont(pid, None),
        }
    }

    fn call(&self, registers: &user_regs_struct) -> Option<&'static Call> {
        self.calls.iter().find(|call| call.is(registers))
    }

    fn kill_all(&self) -> nix::Result<()> {
        for task in &self.tasks {
            kill(*task, Signal::SIGKILL).or_else(unless_gone)?;
        }
        Ok(())
    }

    fn change(&mut self, pid: Pid, mut registers: user_regs_struct, change: Change) -> nix::Result<()> {
        let result = match change {
            Change::Fail(error) => -(error as i64),
            Change::Skip => self.call(&registers).map_or(0, |call| call.result_of_success(&registers)),
            Change::Halve => return self.halve(pid, registers),
        };
        registers.orig_rax = u64::MAX;
        registers.rax = result.cast_unsigned();
        ptrace::setregs(pid, registers)?;
        ptrace::cont(pid, None)
    }

    /// The caller must find its register as it left it, so the task is met again at the end of the call.
    fn halve(&mut self, pid: Pid, registers: user_regs_struct) -> nix::Result<()> {
        let asked = user_regs_struct { rdx: registers.rdx.div_ceil(2), ..registers };
        ptrace::setregs(pid, asked)?;
        self.halved.insert(pid, registers.rdx);
        ptrace::syscall(pid, None)
    }

    fn at_end_of_call(&mut self, pid: Pid) -> nix::Result<()> {
        if let Some(rdx) = self.halved.remove(&pid) {
            ptrace::setregs(pid, user_regs_struct { rdx, ..ptrace::getregs(pid)? })?;
        }
        self.go_on(pid, None)
    }

    fn hit(&self, pid: Pid, registers: &user_regs_struct) -> Hit {
        let call = self.call(registers);
        let (target, program) = (seen::target(pid, call, registers), seen::name(pid));
        Hit { call: call.map_or("unknown", |call| call.name), target, program }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // After a run there is none; a test that failed before leaves no program behind.
        for task in &self.tasks {
            let _ = kill(*task, Signal::SIGKILL);
        }
    }
}

fn options() -> Options {
    Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// A task may be killed between any two looks at it.
fn unless_gone(error: Errno) -> nix::Result<()> {
    if error == Errno::ESRCH { Ok(()) } else { Err(error) }
}
