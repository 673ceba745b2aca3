//! What the variables of a launcher say of this process: those of `torchrun`, which rank 0 gives the ranks it starts
//! too, and those of Slurm's `srun`.

use iterit_core::{Error, Result};
use iterit_torch::Place;

/// A process that a launcher has started as one of several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Launched {
    /// Who it is, and where it meets the others.
    pub(super) place: Place,
    /// Its number among those of this machine.
    pub(super) local_rank: usize,
    pub(super) on_this_machine: usize,
    /// What the launcher is called.
    pub(super) by: &'static str,
}

impl Launched {
    /// Nothing where there is no launcher, or it has started one process alone.
    ///
    /// # Errors
    /// A variable that is missing beside others, or is no number, each named.
    pub(super) fn of_environment(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        let variables = Variables { variable };
        let launched = match (variables.get("WORLD_SIZE"), variables.get("SLURM_STEP_NUM_TASKS")) {
            (Some(_), _) => by_torchrun(&variables)?,
            (None, Some(_)) => by_slurm(&variables)?,
            (None, None) => return Ok(None),
        };
        let Place { rank, size, .. } = launched.place;
        if rank >= size {
            let by = launched.by;
            return Err(Error::config(format!("{by}'s variables say rank {rank} of {size}")));
        }
        Ok((size > 1).then_some(launched))
    }
}

struct Variables<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<usize>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().map(Some);
        number.map_err(|_| {
            Error::config(format!("the variable {name} is `{text}`: expected a number"))
        })
    }

    fn needed(&self, name: &str, beside: &str) -> Result<usize> {
        there(self.number(name)?, name, beside)
    }

    /// The store's; 0 is none, since nobody could know which one it became.
    fn port(&self) -> Result<Option<u16>> {
        let Some(number) = self.number(PORT)? else { return Ok(None) };
        match u16::try_from(number) {
            Ok(port @ 1..) => Ok(Some(port)),
            _ => Err(Error::config(format!(
                "the variable {PORT} is {number}: expected a port, from 1 to {}",
                u16::MAX
            ))),
        }
    }
}

const PORT: &str = "MASTER_PORT";

fn there<T>(found: Option<T>, name: &str, beside: &str) -> Result<T> {
    found.ok_or_else(|| {
        Error::config(format!(
            "the variable {beside} is set and {name} is not\n\
             hint: a launcher sets both; for a single process unset {beside}"
        ))
    })
}

fn by_torchrun(variables: &Variables<'_>) -> Result<Launched> {
    let size = variables.needed("WORLD_SIZE", "RANK")?;
    if size <= 1 {
        let place = Place { rank: 0, size: 1, address: String::new(), port: 0, hosts: false };
        return Ok(Launched { place, local_rank: 0, on_this_machine: 1, by: "torchrun" });
    }
    let rank = variables.needed("RANK", "WORLD_SIZE")?;
    let port = there(variables.port()?, PORT, "WORLD_SIZE")?;
    let agent_hosts = variables.get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|it| it == "True");
    let place = Place {
        rank,
        size,
        address: variables.get("MASTER_ADDR").unwrap_or_else(|| "127.0.0.1".into()),
        port,
        hosts: rank == 0 && !agent_hosts,
    };
    Ok(Launched {
        place,
        local_rank: variables.number("LOCAL_RANK")?.unwrap_or(rank),
        on_this_machine: variables.number("LOCAL_WORLD_SIZE")?.unwrap_or(1),
        by: "torchrun",
    })
}

/// Rank 0 hosts the store on the step's first machine, at a port that follows from the job's number, so that no two
/// jobs on a machine take the same unless their numbers are that many apart.
fn by_slurm(variables: &Variables<'_>) -> Result<Launched> {
    const PORTS: (u16, u16) = (20_000, 10_000);
    let beside = "SLURM_STEP_NUM_TASKS";
    let size = variables.needed(beside, "SLURM_PROCID")?;
    let rank = variables.needed("SLURM_PROCID", beside)?;
    let job = variables.number("SLURM_JOB_ID")?.unwrap_or(0);
    let of_job = || PORTS.0 + (job % usize::from(PORTS.1)) as u16;
    let port = variables.port()?.unwrap_or_else(of_job);
    let nodes = variables.get("SLURM_STEP_NODELIST").unwrap_or_default();
    let place = Place {
        rank,
        size,
        address: variables.get("MASTER_ADDR").unwrap_or_else(|| first_node(&nodes)),
        port,
        hosts: rank == 0,
    };
    let tasks_per_node = variables.get("SLURM_STEP_TASKS_PER_NODE").unwrap_or_default();
    Ok(Launched {
        place,
        local_rank: variables.number("SLURM_LOCALID")?.unwrap_or(0),
        on_this_machine: leading_number(&tasks_per_node).unwrap_or(1),
        by: "srun",
    })
}

/// The first machine of a list such as `gpu[07-09,12],cpu1`.
fn first_node(nodes: &str) -> String {
    let first = nodes.split_once('[').filter(|(name, _)| !name.contains(','));
    match first {
        Some((name, numbers)) => {
            let number = numbers.split([',', '-', ']']).next().unwrap_or_default();
            format!("{name}{number}")
        }
        None => match nodes.split(',').next() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => "127.0.0.1".into(),
        },
    }
}

/// Of `4(x2),3` the 4.
fn leading_number(text: &str) -> Option<usize> {
    let digits = text.split(|it: char| !it.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(variables: &[(&str, &str)]) -> Result<Option<Launched>> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Launched::of_environment(&variable)
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: &str) {
        let found = match launched(variables) {
            Ok(None) => "alone".to_owned(),
            Ok(Some(Launched { place, local_rank, on_this_machine, by })) => {
                let Place { rank, size, address, port, hosts } = place;
                let host = if hosts { " hosts" } else { "" };
                format!(
                    "{by}: {rank} of {size} at {address}:{port}{host}, {local_rank} of {on_this_machine}"
                )
            }
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn launchers_say_who_is_who() {
        check(&[], "alone");
        check(&[("WORLD_SIZE", "1"), ("RANK", "0")], "alone");
        let torchrun = [
            ("RANK", "3"),
            ("WORLD_SIZE", "4"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "2"),
            ("MASTER_ADDR", "a.b"),
            ("MASTER_PORT", "29500"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
        ];
        check(&torchrun, "torchrun: 3 of 4 at a.b:29500, 1 of 2");
        let mut first = torchrun;
        first[0].1 = "0";
        check(&first, "torchrun: 0 of 4 at a.b:29500, 1 of 2");
        first[6].1 = "False";
        check(&first, "torchrun: 0 of 4 at a.b:29500 hosts, 1 of 2");
        let slurm = [
            ("SLURM_STEP_NUM_TASKS", "6"),
            ("SLURM_PROCID", "0"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_JOB_ID", "123456"),
            ("SLURM_STEP_NODELIST", "gpu[07-09,12],cpu1"),
            ("SLURM_STEP_TASKS_PER_NODE", "2(x3)"),
        ];
        check(&slurm, "srun: 0 of 6 at gpu07:23456 hosts, 0 of 2");
        let named = [&slurm[..], &[("MASTER_PORT", "65535")]].concat();
        check(&named, "srun: 0 of 6 at gpu07:65535 hosts, 0 of 2");
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        check(&[("WORLD_SIZE", "2")], "the variable WORLD_SIZE is set and RANK is not");
        check(&[("WORLD_SIZE", "two")], "the variable WORLD_SIZE is `two`: expected a number");
        let wrong = [("WORLD_SIZE", "2"), ("RANK", "2"), ("MASTER_PORT", "1")];
        check(&wrong, "torchrun's variables say rank 2 of 2");
        let torchrun = [("WORLD_SIZE", "2"), ("RANK", "0")];
        let slurm = [("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "0")];
        for launcher in [torchrun, slurm] {
            for port in ["65536", "0"] {
                let variables = [&launcher[..], &[("MASTER_PORT", port)]].concat();
                let said =
                    format!("the variable MASTER_PORT is {port}: expected a port, from 1 to 65535");
                check(&variables, &said);
            }
        }
        check(&torchrun, "the variable WORLD_SIZE is set and MASTER_PORT is not");
    }

    #[test]
    fn the_first_of_a_list_of_machines_is_found() {
        for (nodes, first) in [
            ("a,b", "a"),
            ("a[1-3]", "a1"),
            ("a[01,03-4]", "a01"),
            ("b,a[1-3]", "b"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(first_node(nodes), first);
        }
    }
}
