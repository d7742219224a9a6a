"""The command by which an operator imports a file of any size over HTTP."""
