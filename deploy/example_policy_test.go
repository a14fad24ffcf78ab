package deploy_test

import (
	"fmt"

	"github.com/lambdapool/lambdapool/deploy"
)

func ExampleClientPolicy() {
	policy, err := deploy.ClientPolicy(deploy.PolicyInput{Region: "eu-west-1", Account: "123456789012", Function: "demo"})
	if err != nil {
		panic(err)
	}
	fmt.Print(policy)
	// Output:
	// {
	//   "Version": "2012-10-17",
	//   "Statement": [
	//     {
	//       "Effect": "Allow",
	//       "Action": [
	//         "lambda:InvokeFunction",
	//         "lambda:GetFunctionConfiguration"
	//       ],
	//       "Resource": [
	//         "arn:aws:lambda:eu-west-1:123456789012:function:demo",
	//         "arn:aws:lambda:eu-west-1:123456789012:function:demo:*"
	//       ]
	//     }
	//   ]
	// }
}

func ExampleAgentPolicy() {
	policy, err := deploy.AgentPolicy(deploy.PolicyInput{Region: "eu-west-1", Account: "123456789012", Function: "demo"})
	if err != nil {
		panic(err)
	}
	fmt.Print(policy)
	// Output:
	// {
	//   "Version": "2012-10-17",
	//   "Statement": [
	//     {
	//       "Effect": "Allow",
	//       "Action": [
	//         "logs:CreateLogGroup",
	//         "logs:CreateLogStream",
	//         "logs:PutLogEvents"
	//       ],
	//       "Resource": [
	//         "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/demo",
	//         "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/demo:*"
	//       ]
	//     }
	//   ]
	// }
}

func ExampleDeployerPolicy() {
	_, err := deploy.DeployerPolicy(deploy.PolicyInput{Region: "eu-west-1", Account: "12345", Function: "demo"})
	fmt.Println(err)
	// Output: lambdapool: policy demo: account "12345": want twelve digits
}

func ExamplePolicyRoom() {
	for _, shards := range []int{1, 20} {
		policy, err := deploy.ClientPolicy(deploy.PolicyInput{Region: "eu-west-1", Account: "123456789012", Function: "demo", Shards: shards})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d: %q\n", shards, deploy.PolicyRoom(policy))
	}
	// Output:
	// 1: ""
	// 20: "2435 characters are too many for inline policies of a user, which hold 2048: a managed policy holds 6144, inline policies of a role 10240"
}
