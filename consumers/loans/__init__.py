"""What is done about loans without anybody asking."""
