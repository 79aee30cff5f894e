//! A system of the user's own: started as its file says, crashed, and held to what it promises.
//!
//! ```text
//! run         a run, from the first process to the verdict
//! values      what stands in the places of the file's texts
//! parts       its processes
//! pods        its pods, by kubectl
//! faults      what is done to processes, pod_faults to pods, and chance chooses
//! load        requests of several clients
//! kept        its promises, and what was seen of them
//! promises    what must hold, looked at while it runs and at the end
//! ```

pub mod chance;
pub mod faults;
pub mod kept;
pub mod load;
pub mod parts;
pub mod pod_faults;
pub mod pods;
pub mod promises;
pub mod run;
pub mod values;
