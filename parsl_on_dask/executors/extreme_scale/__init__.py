"""Where Parsl had ``ExtremeScaleExecutor`` until 2023."""
