"""What really runs the app on a platform: starts, probes, kills and restarts its replicas."""
