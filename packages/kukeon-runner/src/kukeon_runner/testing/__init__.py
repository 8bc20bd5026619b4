"""What tests of kukeon, ours and others', may use: hosts that behave without being one."""
