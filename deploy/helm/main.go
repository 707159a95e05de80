// Command helm renders and packs the chart by Helm's own library, for tests and releases on machines
// without Helm:
//
//	chart/ ──► render -set NAME=VALUE ──► manifests, as `helm install` would apply them
//	  └──────► pack -version V -o FOLDER ──► picket-V.tgz, the same bytes each time
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("expected render or pack")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	folder := flags.String("chart", "chart", "folder or package of the chart")
	switch args[0] {
	case "render":
		return runRender(flags, folder, args[1:], out)
	case "pack":
		return runPack(flags, folder, args[1:], out)
	}
	return fmt.Errorf("%q; expected render or pack", args[0])
}

func runRender(flags *flag.FlagSet, folder *string, args []string, out io.Writer) error {
	i := install{}
	flags.StringVar(&i.namespace, "namespace", "kube-system", "namespace of the installation")
	flags.Func("set", "value as Helm's --set has it; may be given several times", func(v string) error {
		i.set = append(i.set, v)
		return nil
	})
	_ = flags.Parse(args) // ends the program by itself
	c, err := load(*folder)
	if err != nil {
		return err
	}
	text, err := i.render(c)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func runPack(flags *flag.FlagSet, folder *string, args []string, out io.Writer) error {
	version := flags.String("version", "", "version of the program, such as v0.1.0")
	to := flags.String("o", ".", "folder to write the package to")
	_ = flags.Parse(args) // ends the program by itself
	if *version == "" {
		return fmt.Errorf("-version is missing; expected one such as v0.1.0")
	}
	c, err := load(*folder)
	if err != nil {
		return err
	}
	path, err := pack(c, *version, *to)
	if err == nil {
		_, err = fmt.Fprintln(out, path)
	}
	return err
}
