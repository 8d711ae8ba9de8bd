//! Who is there on every side, and by which name.

/// Sites, and minions below them.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Syndics, each with a site of its own.
    pub syndics: u32,
    /// Minions of each.
    pub minions: u32,
}

/// A minion.
#[derive(Debug, PartialEq, Eq)]
pub struct Minion {
    pub id: String,
    /// The place of its site among the sites.
    pub site: usize,
}

impl Plan {
    /// The sites, which have the ids of their syndics.
    pub fn sites(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.syndics).map(|site| format!("s{site}"))
    }

    /// All minions.
    pub fn minions(&self) -> impl Iterator<Item = Minion> + use<> {
        let Plan { syndics, minions } = *self;
        (0..syndics).flat_map(move |site| {
            (1..=minions).map(move |number| Minion {
                id: format!("web-{}-{number}", site + 1),
                site: site as usize,
            })
        })
    }

    /// How many they are.
    pub fn total(&self) -> u64 {
        u64::from(self.syndics) * u64::from(self.minions)
    }
}

/// A target that all minions match. In Salt `*` also means the syndics themselves, which never answer.
pub const GLOB: &str = "web-*";
/// A minion.
pub const ONE: &str = "web-1-1";
/// A target that none matches.
pub const NOBODY: &str = "zzz*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minions_have_a_site_each() {
        let plan = Plan {
            syndics: 2,
            minions: 2,
        };
        let all: Vec<_> = plan.minions().map(|it| (it.id, it.site)).collect();
        let expected = [
            ("web-1-1", 0),
            ("web-1-2", 0),
            ("web-2-1", 1),
            ("web-2-2", 1),
        ];
        assert_eq!(all, expected.map(|(id, site)| (id.to_owned(), site)));
        assert_eq!(plan.total(), 4);
        assert_eq!(all[0].0, ONE);
    }
}
