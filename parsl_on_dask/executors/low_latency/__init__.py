"""Where Parsl had ``LowLatencyExecutor`` until 2023."""
