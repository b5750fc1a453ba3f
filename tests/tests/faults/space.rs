//! Machines of their own for nodes: a network namespace each, joined by a bridge in one more. Pulling a plug takes the link down at the bridge's end, so that the
//! node keeps its address and hears nothing, as with a broken switch.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Output};
use torc_tests::ring::Place;

/// A switch and its machines. Dropping it removes them.
#[derive(Debug)]
pub struct Switch {
    name: String,
    machines: Vec<String>,
}

impl Switch {
    /// `count` machines; `Err` tells why there can be none here.
    pub fn new(count: usize) -> Result<Switch, String> {
        let name = format!("tf{}", std::process::id());
        let mut switch = Switch { name: format!("{name}-sw"), machines: Vec::new() };
        let bridge = switch.name.clone();
        ip(&["netns", "add", &bridge])?;
        ip(&["-n", &bridge, "link", "add", "name", "bridge", "type", "bridge"])?;
        ip(&["-n", &bridge, "link", "set", "bridge", "up"])?;
        for index in 0..count {
            let machine = format!("{name}-{index}");
            ip(&["netns", "add", &machine])?;
            switch.machines.push(machine.clone());
            let (port, address) = (plug(index), format!("{}/24", Switch::address(index)));
            let peer = ["type", "veth", "peer", "name", "net", "netns", &machine];
            ip(&[&["-n", &bridge, "link", "add", "name", &port][..], &peer[..]].concat())?;
            ip(&["-n", &bridge, "link", "set", &port, "master", "bridge", "up"])?;
            ip(&["-n", &machine, "address", "add", &address, "dev", "net"])?;
            ip(&["-n", &machine, "link", "set", "lo", "up"])?;
            ip(&["-n", &machine, "link", "set", "net", "up"])?;
        }
        Ok(switch)
    }

    /// The address of a machine.
    fn address(index: usize) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, index as u8 + 1).into()
    }

    /// One place in each machine.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let at =
            |(index, machine): (usize, &String)| Place::within(machine, Switch::address(index));
        self.machines.iter().enumerate().map(at)
    }

    /// Connects a machine to the others, or cuts it off.
    pub fn set_plugged(&self, index: usize, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(&["-n", &self.name, "link", "set", &plug(index), state]).expect("the link is there");
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for space in self.machines.iter().chain([&self.name]) {
            let _ = ip(&["netns", "del", space]);
        }
    }
}

fn plug(index: usize) -> String {
    format!("plug{index}")
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let run = Command::new("ip").args(arguments).output();
    let Output { status, stderr, .. } = run.map_err(|error| format!("ip: {error}"))?;
    let why = String::from_utf8_lossy(&stderr);
    if status.success() { Ok(()) } else { Err(format!("ip {}: {why}", arguments.join(" "))) }
}
