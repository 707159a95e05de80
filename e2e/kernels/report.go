package main

func write(string, []outcome) error { return nil }
