//! The settings of this moment, which a reload replaces.

use super::Settings;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// A handle to the settings; cheap to clone, and to read for each packet.
#[derive(Debug, Clone)]
pub struct Live(Arc<ArcSwap<Settings>>);

impl Live {
    /// Begins with these.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// The settings as they are now. Held for the work at hand, not across a wait.
    #[must_use]
    pub fn get(&self) -> Guard<Arc<Settings>> {
        self.0.load()
    }

    /// From now on, these.
    pub fn replace(&self, settings: Settings) {
        self.0.store(Arc::new(settings));
    }
}
