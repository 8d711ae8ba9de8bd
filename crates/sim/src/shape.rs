//! The tree of a world: who is where, and who dials whom.

use std::collections::BTreeSet;

use relay::Peer;
use wire::{NodeId, Role, SitePath, Uid};

use crate::rng::Rng;

/// A node as it is built; keys, ids and sites of real nodes are on their certificates.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Identity, label, role and site.
    pub peer: Peer,
    /// Hubs that it dials, by their place in [`Shape::nodes`].
    pub parents: Vec<usize>,
    /// The value of its `os` grain.
    pub os: &'static str,
    /// Bytes of further grains: many make a roster delta travel as a long frame.
    pub more_grains: usize,
    /// It has a certificate from the start; else it asks for one.
    pub certified: bool,
    /// Its program is of the release before, and speaks the first protocol alone.
    pub old: bool,
    /// It was left out of this world, and never starts.
    pub absent: bool,
}

/// All nodes, hubs before their children.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The nodes.
    pub nodes: Vec<Spec>,
}

const SYSTEMS: [&str; 3] = ["Debian", "Fedora", "Alpine"];
const LABELS: [&str; 4] = ["ams", "fra", "lon", "osl"];

impl Shape {
    /// A random tree: one or two tops, up to four levels of sites, some of them with two syndics, and minions.
    pub fn random(rng: &mut Rng, two_tops_percent: u64) -> Shape {
        let mut shape = Shape::default();
        let tops: Vec<usize> = (0..1 + usize::from(rng.percent(two_tops_percent)))
            .map(|n| {
                shape.add(
                    &format!("top{n}"),
                    Role::TopMaster,
                    SitePath::top(),
                    vec![],
                    rng,
                )
            })
            .collect();
        let depth = rng.between(0, 4);
        // Sites whose hubs may get children: the hubs of the site and its path.
        let mut sites = vec![(tops, SitePath::top())];
        let mut frontier = sites.clone();
        for _ in 0..depth {
            let mut next = Vec::new();
            for (hubs, path) in &frontier {
                for label in LABELS.iter().take(rng.between(1, 2) as usize) {
                    let Ok(path) = path.child(label) else {
                        continue;
                    };
                    let count = 1 + usize::from(rng.percent(30));
                    let syndics: Vec<usize> = (0..count)
                        .map(|n| {
                            let id = format!("s{n}-{}", path.as_str().replace('/', "-"));
                            let parents = some_of(hubs, rng);
                            shape.add(&id, Role::Syndic, path.clone(), parents, rng)
                        })
                        .collect();
                    next.push((syndics, path));
                }
            }
            next.truncate(3);
            sites.extend(next.iter().cloned());
            frontier = next;
        }
        for n in 0..rng.between(2, 10) {
            let Some((hubs, path)) = rng.pick(&sites).cloned() else {
                continue;
            };
            let parents = some_of(&hubs, rng);
            shape.add(&format!("m{n}"), Role::Minion, path, parents, rng);
        }
        // Late ones that must enrol; some of them want an id that another has.
        for n in 0..rng.below(4) {
            let Some((hubs, path)) = rng.pick(&sites).cloned() else {
                continue;
            };
            let id = if rng.percent(30) {
                "m0".to_owned()
            } else {
                format!("late{n}")
            };
            let at = shape.add(&id, Role::Minion, path, vec![hubs[0]], rng);
            shape.nodes[at].certified = false;
        }
        shape
    }

    /// A small tree below one top-master, node by node: `s` a syndic, `m` a minion, and after it the places of its parents,
    /// none for the top. Syndics with the same parents serve one site.
    pub fn of(nodes: &[&str]) -> Shape {
        Shape::of_tops(1, nodes)
    }

    /// Minions that have no hub but top-masters.
    pub fn minions_of_tops(&self) -> BTreeSet<usize> {
        let is_top = |at: &usize| self.nodes[*at].peer.role == Role::TopMaster;
        let is_direct =
            |spec: &Spec| spec.peer.role == Role::Minion && spec.parents.iter().all(is_top);
        (0..self.nodes.len())
            .filter(|at| is_direct(&self.nodes[*at]))
            .collect()
    }

    /// As [`Shape::of`], below so many top-masters, which are the first nodes; `f` is a syndic of another site than `s`.
    pub fn of_tops(tops: usize, nodes: &[&str]) -> Shape {
        let mut rng = Rng::new(1);
        let mut shape = Shape::default();
        for top in 0..tops {
            let id = match top {
                0 => "top".to_owned(),
                more => format!("top{more}"),
            };
            let at = shape.add(&id, Role::TopMaster, SitePath::top(), vec![], &mut rng);
            shape.nodes[at].old = false;
        }
        for (at, text) in (tops..).zip(nodes) {
            let (kind, places) = text.split_at(1);
            let mut parents: Vec<usize> = places.bytes().map(|b| usize::from(b - b'0')).collect();
            if parents.is_empty() {
                parents.extend(0..tops);
            }
            let above = shape.nodes[parents[0]].peer.path.clone();
            let (role, path) = match kind {
                "s" => (Role::Syndic, above.child("ams").unwrap_or_default()),
                "f" => (Role::Syndic, above.child("fra").unwrap_or_default()),
                _ => (Role::Minion, above),
            };
            shape.add(&format!("{kind}{at}"), role, path, parents, &mut rng);
            shape.nodes[at].old = false;
            shape.nodes[at].more_grains = 0;
        }
        shape
    }

    /// A top-master, so many sites of one syndic each, and minions spread over them.
    pub fn wide(sites: usize, minions: usize) -> Shape {
        let mut rng = Rng::new(1);
        let mut shape = Shape::default();
        let top = SitePath::top();
        shape.add("top", Role::TopMaster, top.clone(), vec![], &mut rng);
        for site in 1..=sites {
            let path = top.child(&format!("site{site}")).unwrap_or_default();
            shape.add(&format!("s{site}"), Role::Syndic, path, vec![0], &mut rng);
        }
        for minion in 0..minions {
            let site = 1 + minion % sites;
            let path = shape.nodes[site].peer.path.clone();
            shape.add(
                &format!("m{minion}"),
                Role::Minion,
                path,
                vec![site],
                &mut rng,
            );
        }
        for spec in &mut shape.nodes {
            spec.old = false;
            spec.more_grains = 0;
        }
        shape
    }

    fn add(
        &mut self,
        id: &str,
        role: Role,
        path: SitePath,
        parents: Vec<usize>,
        rng: &mut Rng,
    ) -> usize {
        let at = self.nodes.len();
        let mut uid = [0; 16];
        uid[..8].copy_from_slice(&rng.number().to_be_bytes());
        uid[15] = at as u8;
        let more_grains = if rng.percent(8) { 40_000 } else { 0 };
        let os = rng.pick(&SYSTEMS).copied().unwrap_or("Debian");
        self.nodes.push(Spec {
            peer: Peer {
                uid: Uid(uid),
                id: label(id),
                role,
                path,
                fingerprint: [at as u8; 32],
            },
            parents,
            os,
            more_grains,
            certified: true,
            old: rng.percent(12),
            absent: false,
        });
        at
    }

    /// Takes nodes out, with all that hangs on them alone. The others keep their places.
    pub fn leave_out(&mut self, without: &BTreeSet<usize>) {
        for at in 0..self.nodes.len() {
            let absent: Vec<bool> = self.nodes.iter().map(|spec| spec.absent).collect();
            let spec = &mut self.nodes[at];
            let parents = spec.parents.len();
            spec.parents.retain(|parent| !absent[*parent]);
            spec.absent = without.contains(&at) || (parents > 0 && spec.parents.is_empty());
        }
    }
}

fn label(text: &str) -> NodeId {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// One of the hubs, or sometimes all.
fn some_of(hubs: &[usize], rng: &mut Rng) -> Vec<usize> {
    if rng.percent(50) {
        hubs.to_vec()
    } else {
        rng.pick(hubs).copied().into_iter().collect()
    }
}
