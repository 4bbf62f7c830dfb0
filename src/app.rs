//! The composition root: the only place that knows every concrete type.

/// Runs the engine until it is told to stop; answers the exit code.
///
/// # Errors
/// It could not start.
pub async fn serve(_config: crate::config::Config) -> anyhow::Result<i32> {
    anyhow::bail!("the engine is not composed yet")
}
