//! How a target is to be read.

use clap::{ArgGroup, Args};

/// The kind of a target, and what narrows it.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("kind").args(["pcre", "list", "grain", "grain_pcre", "compound", "nodegroup", "ipcidr", "pillar", "pillar_pcre"]))]
pub struct TargetArgs {
    /// The target is a regular expression over ids
    #[arg(short = 'E', long, help_heading = "Target")]
    pub(crate) pcre: bool,
    /// The target is a list of ids with commas between
    #[arg(short = 'L', long, help_heading = "Target")]
    pub(crate) list: bool,
    /// The target is a glob over a grain: os:Debian
    #[arg(short = 'G', long, help_heading = "Target")]
    pub(crate) grain: bool,
    /// The target is a regular expression over a grain: os:(Debian|Ubuntu)
    #[arg(short = 'P', long, help_heading = "Target")]
    pub(crate) grain_pcre: bool,
    /// The target is compound: 'G@os:Debian and web* or L@db1,db2'
    #[arg(short = 'C', long, help_heading = "Target")]
    pub(crate) compound: bool,
    /// The target is the name of a nodegroup of the settings
    #[arg(short = 'N', long, help_heading = "Target")]
    pub(crate) nodegroup: bool,
    /// The target is an address, or a network in which a minion has one: 10.0.0.0/8
    #[arg(short = 'S', long, help_heading = "Target")]
    pub(crate) ipcidr: bool,
    /// The target is a glob over the pillar: role:web
    #[arg(short = 'I', long, help_heading = "Target")]
    pub(crate) pillar: bool,
    /// The target is a regular expression over the pillar: role:(web|db)
    #[arg(short = 'J', long, help_heading = "Target")]
    pub(crate) pillar_pcre: bool,
    /// Only minions of this site or below it: eu/ams
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    pub(crate) site: Option<String>,
    /// Stands between the parts of a target by grain or pillar
    #[arg(
        long,
        value_name = "CHARACTER",
        default_value_t = ':',
        help_heading = "Target"
    )]
    pub(crate) delimiter: char,
}

impl TargetArgs {
    /// The kind, as the daemon names it.
    pub(crate) fn name(&self) -> &'static str {
        [
            (self.pcre, "pcre"),
            (self.list, "list"),
            (self.grain, "grain"),
            (self.grain_pcre, "grain-pcre"),
            (self.compound, "compound"),
            (self.nodegroup, "nodegroup"),
            (self.ipcidr, "ipcidr"),
            (self.pillar, "pillar"),
            (self.pillar_pcre, "pillar-pcre"),
        ]
        .into_iter()
        .find_map(|(is_set, kind)| is_set.then_some(kind))
        .unwrap_or("glob")
    }
}
