// SPDX-License-Identifier: Apache-2.0

//! Runs the steps of the client matrix with rdkafka (librdkafka for Rust) and prints one JSON object per step.
//! steps.rs has the steps, driver.rs what the library does; BOOTSTRAP, SASL_USER, SASL_TOKEN, PREFIX, RUN and
//! READONLY come from the environment.

mod driver;
mod steps;

use serde_json::{json, Map, Value};
use std::env;
use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a single call or a wait within a step may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any step needs on a busy machine.
const STEP_LIMIT: Duration = Duration::from_secs(90);

/// Why a step has no outcome.
#[derive(Debug)]
pub enum Fault {
    /// The library has no call for it.
    Unsupported(&'static str),
    /// An error by Kafka's own name, or a text.
    Failed(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unsupported(why) => f.write_str(why),
            Fault::Failed(what) => f.write_str(what),
        }
    }
}

pub type Answer<T> = Result<T, Fault>;

/// Waits for a condition; the fault says what did not come.
pub fn until(what: &str, mut condition: impl FnMut() -> Answer<bool>) -> Answer<()> {
    let end = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > end {
            return Err(Fault::Failed(format!("{what} did not come within {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Maps between the names that the program uses and those on the wire.
pub struct Names {
    pub prefix: String,
    pub run: String,
}

impl Names {
    pub fn of(&self, what: &str) -> String {
        format!("{}{}-{what}", self.prefix, self.run)
    }

    /// The names of this run, as they are printed.
    pub fn own(&self, all: Vec<String>) -> Vec<String> {
        let start = self.of("");
        let mut mine: Vec<String> = all.iter().filter(|n| n.starts_with(&start)).map(|n| self.shown(n)).collect();
        mine.sort();
        mine
    }

    fn shown(&self, name: &str) -> String {
        name.strip_prefix(&self.prefix).unwrap_or(name).replace(&self.run, "RUN")
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a step prints after its name.
fn shown(answer: Answer<Value>, names: &Names) -> Map<String, Value> {
    let (key, value) = match answer {
        Ok(value) => ("outcome", value),
        Err(Fault::Unsupported(why)) => ("unsupported", json!(why)),
        Err(Fault::Failed(what)) => ("outcome", json!(format!("failed: {}", names.shown(&what)))),
    };
    Map::from_iter([(key.to_string(), value)])
}

fn main() {
    if env::args().nth(1).as_deref() != Some("rdkafka") {
        eprintln!("usage: clients rdkafka");
        std::process::exit(2);
    }
    let names = || Names { prefix: variable("PREFIX").unwrap_or_default(), run: variable("RUN").expect("RUN") };
    let printed = names();
    let (names_sent, answers) = mpsc::channel::<(&'static str, Answer<Value>)>();
    let steps = thread::spawn(move || {
        let mut world = steps::World::new(names(), variable("READONLY"));
        for (name, run) in steps::STEPS {
            if *name != "denied" || world.readonly.is_some() {
                let _ = names_sent.send((name, run(&mut world)));
            }
        }
    });
    // A step that never ends takes the program with it: its thread cannot be stopped.
    loop {
        match answers.recv_timeout(STEP_LIMIT) {
            Ok((name, answer)) => {
                let mut line = json!({ "step": name });
                line.as_object_mut().unwrap().extend(shown(answer, &printed));
                println!("{line}");
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                eprintln!("the next step has no end within {STEP_LIMIT:?}");
                std::process::exit(1);
            }
        }
    }
    // A panic in a step is a failure of the program.
    if steps.join().is_err() {
        std::process::exit(1);
    }
}
