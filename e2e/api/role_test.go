package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

// identity is the account of an agent, with its role.
type identity struct {
	Account corev1.ServiceAccount
	Role    rbacv1.ClusterRole
	Binding rbacv1.ClusterRoleBinding
}

// shippedIdentity reads the project's manifests, and puts them into their namespace as kustomize
// does.
func shippedIdentity() (s identity, err error) {
	var kustomization struct{ Namespace string }
	for name, into := range map[string]any{
		"serviceaccount.yaml": &s.Account, "clusterrole.yaml": &s.Role,
		"clusterrolebinding.yaml": &s.Binding,
		"kustomization.yaml":      &kustomization,
	} {
		data, readErr := os.ReadFile(filepath.Join("..", "..", "deploy", "base", name))
		if readErr == nil {
			readErr = yaml.Unmarshal(data, into)
		}
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("deploy/base/%s: %w", name, readErr))
		}
	}
	s.Account.Namespace = kustomization.Namespace
	for i := range s.Binding.Subjects {
		s.Binding.Subjects[i].Namespace = kustomization.Namespace
	}
	return s, err
}

// install makes account, role and binding. Their namespace comes a moment after the server.
func (s identity) install(admin kubernetes.Interface) error {
	return poll(wait, func() error {
		ctx, o := context.Background(), metav1.CreateOptions{}
		_, err1 := admin.CoreV1().ServiceAccounts(s.Account.Namespace).Create(ctx, &s.Account, o)
		_, err2 := admin.RbacV1().ClusterRoles().Create(ctx, &s.Role, o)
		_, err3 := admin.RbacV1().ClusterRoleBindings().Create(ctx, &s.Binding, o)
		return errors.Join(unlessThere(err1), unlessThere(err2), unlessThere(err3))
	})
}

func unlessThere(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// user is the name that the API server knows the account by.
func (s identity) user() string {
	return "system:serviceaccount:" + s.Account.Namespace + ":" + s.Account.Name
}

// as returns the same under another name, with these rights alone.
func (s identity) as(name string, rights []right) identity {
	return identity{
		Account: corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.Account.Namespace,
			Name: name}},
		Role: rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules: rules(rights)},
		Binding: rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind,
				Namespace: s.Account.Namespace, Name: name}},
		},
	}
}

// grant makes these the rights of the role.
func (s identity) grant(admin kubernetes.Interface, rights []right) error {
	role := s.Role.DeepCopy()
	role.Rules = rules(rights)
	_, err := admin.RbacV1().ClusterRoles().Update(context.Background(), role,
		metav1.UpdateOptions{})
	return err
}

func rules(rights []right) (all []rbacv1.PolicyRule) {
	for _, r := range rights {
		all = append(all, rbacv1.PolicyRule{Verbs: []string{r.Verb}, APIGroups: []string{r.Group},
			Resources: []string{r.Resource}})
	}
	return all
}

// token is what the account shows to the API server.
func (s identity) token(admin kubernetes.Interface) (string, error) {
	answer, err := admin.CoreV1().ServiceAccounts(s.Account.Namespace).CreateToken(
		context.Background(), s.Account.Name, &authenticationv1.TokenRequest{},
		metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}

// right is one thing that a role allows. Where there is no resource, it is a path.
type right struct{ Verb, Group, Resource string }

func (r right) String() string {
	if r.Group == "" {
		return r.Verb + " " + r.Resource
	}
	return r.Verb + " " + r.Resource + "." + r.Group
}

// reads reports whether an agent without the right does not know all that there is.
func (r right) reads() bool { return r.Verb == "list" || r.Verb == "watch" }

// refusal is how the API server says that the right is missing.
func (r right) refusal() string { return fmt.Sprintf("cannot %s resource %q", r.Verb, r.Resource) }

// rights lists what the role allows, each once.
func (s identity) rights() []right {
	var all []right
	for _, rule := range s.Role.Rules {
		for _, verb := range rule.Verbs {
			for _, path := range rule.NonResourceURLs {
				all = append(all, right{Verb: verb, Resource: path})
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					all = append(all, right{verb, group, resource})
				}
			}
		}
	}
	return sorted(all)
}

// sorted orders rights by their text, and leaves each in once.
func sorted(rights []right) []right {
	slices.SortFunc(rights, func(a, b right) int {
		return slices.Compare([]string{a.Resource, a.Group, a.Verb},
			[]string{b.Resource, b.Group, b.Verb})
	})
	return slices.Compact(rights)
}
