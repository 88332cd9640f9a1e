//! Web Push. So far only the server's VAPID keys.

pub mod vapid;
